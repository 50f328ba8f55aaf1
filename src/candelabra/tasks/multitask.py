"""Any set of heads on one backbone."""

from collections.abc import Callable, Mapping

from candelabra.backbones.backbone import Backbone
from candelabra.balancing import BalanceFactory, Fixed
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import Box, Head, Keypoints, Label, Mask
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task

_HEADS: Mapping[str, Callable[[Backbone, Labels], Head]] = {
    "label": Label,
    "box": Box,
    "keypoints": Keypoints,
    "mask": Mask,
}


class MultiTask(Task):
    """Learns everything that the data label at once; a head whose target they lack is left out.

    Args:
        backbone, labels: images -> features, and what is labelled.
        heads: by target, what builds each head; null leaves one out.
        balance: how the losses become one; built from the heads' names.
        finetune, optimizer, scheduler: see `Task`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        heads: Mapping[str, Callable[[Backbone, Labels], Head] | None] = _HEADS,
        balance: BalanceFactory = Fixed,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        built = {name: head(backbone, labels) for name, head in heads.items() if head and name in labels.targets}
        if not built:
            raise CandelabraError(
                f"No head is left: the data label {', '.join(labels.targets)}, the heads asked for are "
                f"{', '.join(name for name, head in heads.items() if head) or 'none'}."
            )
        super().__init__(backbone, built, balance, finetune or Full(), optimizer, scheduler)
