"""The plan of a run: which part learns at which rate in which epoch, known before anything is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning
from candelabra.optim.parameter_groups import (
    OptimizerFactory,
    ParameterGroups,
    ParameterPart,
    divide_parameters,
    make_optimizer,
)

SchedulerFactory = Callable[[Optimizer, int], list[dict[str, Any]]]
_FINEST = 20  # steps an epoch that are simulated; fewer in long runs
_LONGEST = 4000  # simulated steps in all: some 0.1 s
_NO_RATE = "lr=0: nothing would learn; set lr above 0."
PLATEAU_SCHEDULES = 10_000  # epochs; a stage that has not thawed by then never does


@dataclass(frozen=True)
class SchedulePlan:
    """Rates by part and epoch.

    Attributes:
        names: of the parts, from the input on; the heads last.
        rates: for each part, the highest rate within each epoch; None where it is frozen.
    """

    names: list[str]
    rates: list[list[float | None]]

    @property
    def epochs(self) -> int:
        """The length of the run."""
        return len(self.rates[0])

    def ranges(self, most: int) -> list[range]:
        """Neighbouring epochs to be shown as one: at most `most`, and all of one phase where that is possible."""
        frozen = [tuple(rates[epoch] is None for rates in self.rates) for epoch in range(self.epochs)]
        starts = [0, *(epoch for epoch in range(1, self.epochs) if frozen[epoch] != frozen[epoch - 1])]
        if len(starts) > most:
            starts = [index * self.epochs // most for index in range(most)]
        found = [range(start, end) for start, end in pairwise([*starts, self.epochs])]
        while len(found) < min(most, self.epochs):
            longest = max(range(len(found)), key=lambda index: len(found[index]))
            start, middle, end = found[longest].start, sum(divmod(len(found[longest]), 2)), found[longest].stop
            found[longest : longest + 1] = [range(start, start + middle), range(start + middle, end)]
        return found

    def peak(self, part: int, epochs: range) -> float | None:
        """The highest rate of a part within some epochs; None where it is frozen in all of them."""
        return max((rate for epoch in epochs if (rate := self.rates[part][epoch]) is not None), default=None)


def make_schedule_plan(
    backbone: Backbone,
    strategy: FineTuning,
    optimizer: OptimizerFactory,
    scheduler: SchedulerFactory | None,
    epochs: int,
    steps: int = _FINEST,
) -> SchedulePlan:
    """The plan of a run of so many epochs with so many steps each.

    The optimizer and its scheduler run on one dummy number a part; rates that follow a measure do not fall.

    Raises:
        CandelabraError: the strategy does not fit the backbone, or would never do what it is for.
    """
    divided = divide_parameters(backbone, strategy)
    frozen = _list_frozen_stages(strategy, epochs, len(backbone.stages))
    peaks = _peaks([*(part.scale for part in divided), 1.0], optimizer, scheduler, epochs, steps)
    if max(map(max, peaks)) <= 0:
        raise CandelabraError(_NO_RATE)
    rates = [
        [None if _still(part, stages) else rate for rate, stages in zip(row, frozen, strict=True)]
        for part, row in zip(divided, peaks, strict=False)
    ]
    return SchedulePlan([*(part.name for part in divided), "heads"], [*rates, list(peaks[-1])])


def check_schedule(
    backbone: Backbone,
    strategy: FineTuning,
    optimizer: OptimizerFactory,
    scheduler: SchedulerFactory | None,
    epochs: int,
) -> None:
    """Refuses what `make_schedule_plan` would refuse, without simulating the run.

    Raises:
        CandelabraError: the strategy does not fit the backbone or would never thaw a stage, or nothing would learn.
    """
    scales = [*(part.scale for part in divide_parameters(backbone, strategy)), 1.0]
    _list_frozen_stages(strategy, epochs, len(backbone.stages))
    simulated = _make_dummy_optimizer(scales, optimizer)
    if max(group["lr"] for group in simulated.param_groups) <= 0:
        raise CandelabraError(_NO_RATE)
    if scheduler:
        scheduler(simulated, epochs * _FINEST)


def _list_frozen_stages(strategy: FineTuning, epochs: int, stages: int) -> list[int]:
    """How many stages are frozen in each epoch.

    Raises:
        CandelabraError: no stage ever thaws, as it would in a longer run.
    """
    frozen = [strategy.frozen_stages(epoch, epochs, stages) for epoch in range(epochs)]
    if min(frozen) >= stages:
        _refuse_idle(strategy, epochs, stages)
    return frozen


def _still(part: ParameterPart, frozen: int) -> bool:
    return part.stage < frozen or not part.learners


def _refuse_idle(strategy: FineTuning, epochs: int, stages: int) -> None:
    """A strategy that thaws in a longer run, but not in this one."""
    enough = next(
        (n for n in range(epochs, PLATEAU_SCHEDULES) if strategy.frozen_stages(n - 1, n, stages) < stages), None
    )
    if enough is not None:
        raise CandelabraError(
            f"{strategy.timing} thaws no stage within epochs={epochs}: the run would be that of finetune=frozen; set "
            f"epochs={enough} or more, a smaller {strategy.timing}, or finetune=frozen."
        )


def _peaks(
    scales: list[float], optimizer: OptimizerFactory, scheduler: SchedulerFactory | None, epochs: int, steps: int
) -> list[list[float]]:
    """The highest rate of each group within each epoch."""
    steps = max(1, min(steps, _FINEST, _LONGEST // epochs))
    simulated = _make_dummy_optimizer(scales, optimizer)
    entries = scheduler(simulated, epochs * steps) if scheduler else []
    each_step = [entry["scheduler"] for entry in entries if entry["interval"] == "step"]
    peaks: list[list[float]] = [[] for _ in scales]
    for step in range(epochs * steps):
        for group, row in zip(simulated.param_groups, peaks, strict=True):
            if step % steps == 0:
                row.append(group["lr"])
            row[-1] = max(row[-1], group["lr"])
        simulated.step()
        if step + 1 < epochs * steps:
            for one in each_step:
                one.step()
    return peaks


def _make_dummy_optimizer(scales: list[float], optimizer: OptimizerFactory) -> Optimizer:
    """An optimizer of one dummy parameter for each group, whose steps cost nothing; schedulers want them to be made."""
    groups: ParameterGroups = [{"params": [nn.Parameter(torch.zeros(1))], "scale": scale} for scale in scales]
    made = make_optimizer(optimizer, groups)
    made.step = MethodType(lambda self: None, made)  # type: ignore[method-assign]
    return made


def count_frozen_stages(strategy: FineTuning, epochs: int, num_stages: int) -> int:
    """How many stages of the backbone, counted from the input, learn in no epoch."""
    return min((strategy.frozen_stages(epoch, epochs, num_stages) for epoch in range(epochs)), default=num_stages)


def is_frozen_run(strategy: FineTuning, epochs: int, num_stages: int) -> bool:
    """Whether no stage of the backbone learns in any epoch."""
    return count_frozen_stages(strategy, epochs, num_stages) == num_stages
