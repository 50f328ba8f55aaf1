"""Keypoint regression: a backbone with a keypoint head."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Head
from candelabra.heads import Keypoints as KeypointsHead
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task


class Keypoints(Task):
    """Learns where named points are.

    Args:
        backbone, labels: images -> features, and the points.
        keypoints: builds the head.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        keypoints: Callable[[Backbone, Labels], Head] = KeypointsHead,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        heads = {"keypoints": keypoints(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
