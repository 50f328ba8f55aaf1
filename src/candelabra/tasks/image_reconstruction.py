"""Reconstruction: a backbone and a decoder that learn from images without labels."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Head, Reconstruction
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.image_corruption import ImageCorruption
from candelabra.tasks.task import Task


class ImageReconstruction(Task):
    """Learns to give images back; in training they may be spoiled first, and the loss asks for them as they were.

    Args:
        backbone, labels: images -> features, and what the data label, which is not needed.
        reconstruction: builds the head.
        noise, masked, patch: see `ImageCorruption`.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        reconstruction: Callable[[Backbone, Labels], Head] = Reconstruction,
        noise: float = 0.0,
        masked: float = 0.0,
        patch: int = 16,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        change = ImageCorruption(noise, masked, patch)
        heads = {"reconstruction": reconstruction(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
        self.image_change = change
