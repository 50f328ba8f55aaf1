"""Detection: all objects of an image, each with its box and its class."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import FCOS, Head
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task


class Detection(Task):
    """Learns the boxes and classes of all objects.

    Args:
        backbone, labels: images -> features, and the classes of objects.
        boxes: builds the detector.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        boxes: Callable[[Backbone, Labels], Head] = FCOS,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        heads = {"boxes": boxes(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
