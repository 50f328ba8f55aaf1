"""Any set of heads on one backbone."""

from collections.abc import Callable, Collection, Mapping

from candelabra.backbones.backbone import Backbone
from candelabra.balancing import BalanceFactory, Fixed
from candelabra.data.targets import Labels
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning, Full
from candelabra.heads import (
    Box,
    Depth,
    Flow,
    Head,
    Keypoints,
    Label,
    Mask,
    Normals,
    Ordinal,
    UnlabelledTarget,
    Value,
)
from candelabra.optim.parameter_groups import DEFAULT_OPTIMIZER, OptimizerFactory
from candelabra.optim.schedule_plan import SchedulerFactory
from candelabra.optim.schedulers import cosine
from candelabra.tasks.task import Task

HeadFactory = Callable[[Backbone, Labels], Head]
_HEADS: Mapping[str, HeadFactory] = {
    "label": Label,
    "box": Box,
    "keypoints": Keypoints,
    "mask": Mask,
    "depth": Depth,
    "normals": Normals,
    "flow": Flow,
    "value": Value,
    "ordinal": Ordinal,
}


class MultiTask(Task):
    """Trains any set of heads together; several heads may learn one target.

    A renamed target (`data.rename`) is learnt by the head of its name; if there is none, by another head like that of
    its kind.

    Args:
        backbone: images -> features.
        labels: the targets that the data label.
        heads: name -> what builds the head from backbone and labels; null leaves it out.
        balance: how the losses become one; built from the heads' names.
        finetune, optimizer, scheduler: see `Task`.
        optional: names of the heads that are left out where the data do not label their targets; null: all of them.

    Raises:
        CandelabraError: the data do not label the target of a head that is not optional, or of any head.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        heads: Mapping[str, HeadFactory | None] = _HEADS,
        balance: BalanceFactory = Fixed,
        finetune: FineTuning | None = None,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
        optional: Collection[str] | None = None,
    ) -> None:
        built: dict[str, Head] = {}
        left_out: list[str] = []
        for name, build in {**heads, **_copy_heads(heads, labels)}.items():
            try:
                built |= {name: _build_head(name, build, backbone, labels)} if build else {}
            except UnlabelledTarget as error:
                if optional is not None and name not in optional:
                    raise CandelabraError(f"task.heads.{name}: {error}") from error
                left_out.append(name)
        if not built:
            raise CandelabraError(
                f"No head is left: the data label {labels.list_names()}, the heads asked for are "
                f"{', '.join(name for name, head in heads.items() if head) or 'none'}. "
                "`candelabra check` with the same data lists what is not read."
            )
        super().__init__(backbone, built, balance, finetune or Full(), optimizer, scheduler)
        self.left_out = tuple(left_out)


def _copy_heads(heads: Mapping[str, HeadFactory | None], labels: Labels) -> dict[str, HeadFactory]:
    """A head for each renamed target that has none, built as the head of its kind is."""
    kinds = {name: type(target).name for name, target in labels.items() if name not in heads}
    return {name: build for name, kind in kinds.items() if name != kind and (build := heads.get(kind))}


def _build_head(name: str, build: HeadFactory, backbone: Backbone, labels: Labels) -> Head:
    head = build(backbone, labels.select_for_head(name))
    if head.target_info.name != head.target:
        head.target = head.target_info.name  # type: ignore[misc]
    return head
