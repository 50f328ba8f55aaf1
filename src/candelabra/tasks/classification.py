"""Classification: a backbone with a label head."""

from collections.abc import Callable

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.finetuning import FineTuning, Full
from candelabra.finetuning.groups import MakeOptimizer
from candelabra.finetuning.plan import MakeScheduler
from candelabra.heads import Head, Label
from candelabra.schedules import cosine
from candelabra.tasks.task import ADAMW, Task
from candelabra.types import Labels


class Classification(Task):
    """Learns the class of an image, or its classes.

    Args:
        backbone, labels: images -> features, and the classes.
        label: builds the head.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        label: Callable[[Backbone, Labels], Head] = Label,
        finetune: FineTuning | None = None,
        optimizer: MakeOptimizer = ADAMW,
        scheduler: MakeScheduler | None = cosine,
    ) -> None:
        heads = {"label": label(backbone, labels)}
        super().__init__(backbone, heads, Fixed, finetune or Full(), optimizer, scheduler)
