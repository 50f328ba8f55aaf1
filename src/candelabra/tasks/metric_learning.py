"""Metric learning: a backbone with a head of vectors."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Embedding, Head
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task


class MetricLearning(Task):
    """Learns vectors that are near each other for images of one class.

    Args:
        backbone, labels: images -> features, and the classes.
        embedding: builds the head.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        embedding: Callable[[Backbone, Labels], Head] = Embedding,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        heads = {"embedding": embedding(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
