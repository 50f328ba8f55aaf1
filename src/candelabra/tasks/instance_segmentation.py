"""Instance segmentation: all objects of an image, each with its box, its class and its pixels."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Head, MaskRCNN
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task


class InstanceSegmentation(Task):
    """Learns the boxes, classes and pixels of all objects.

    Args:
        backbone, labels: images -> features, and the classes of objects.
        instances: builds the head.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        instances: Callable[[Backbone, Labels], Head] = MaskRCNN,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        heads = {"instances": instances(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
