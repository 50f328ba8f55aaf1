"""Localization: the class and the box of the one object of an image."""

from collections.abc import Callable
from functools import partial

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.fixed import Fixed
from candelabra.data.targets import Labels
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Box, Head, Label
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task


class Localization(Task):
    """Learns class and box together under label_weight * label loss + box_weight * box loss.

    Args:
        backbone, labels: images -> features, and the classes; the data must label boxes too.
        label, box: build the heads.
        label_weight, box_weight: factors of the two losses, 0 or more.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        label: Callable[[Backbone, Labels], Head] = Label,
        box: Callable[[Backbone, Labels], Head] = Box,
        label_weight: float = 1.0,
        box_weight: float = 1.0,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        heads = {"label": label(backbone, labels), "box": box(backbone, labels)}
        balance = partial(Fixed, weights={"label": label_weight, "box": box_weight})
        super().__init__(backbone, heads, balance, finetune or Full(), optimizer, scheduler)
