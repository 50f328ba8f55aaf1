"""Learning rate schedules: each builds torch's scheduler for an optimizer with any number of groups."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, OneCycleLR, ReduceLROnPlateau

from candelabra.errors import CandelabraError
from candelabra.runs.head_metrics import HeadSummaries, is_lower_better


class Ramp:
    """Linear warm-up, then half a cosine: step -> share of the learning rate in (0, 1].

    Args:
        steps: of the whole run.
        warmup: steps of the warm-up.
        final: the share at the end; 1 for a constant rate.
    """

    def __init__(self, steps: int, warmup: int, final: float) -> None:
        self.steps, self.warmup, self.final = steps, warmup, final

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * done)) / 2


def constant(optimizer: Optimizer, steps: int, warmup: float = 0.05) -> list[dict[str, Any]]:
    """One rate, after a linear warm-up over the share `warmup` of the run."""
    return [_step_config(LambdaLR(optimizer, Ramp(steps, _count_warmup_steps(warmup, steps), 1.0)))]


def cosine(optimizer: Optimizer, steps: int, warmup: float = 0.05, final: float = 0.01) -> list[dict[str, Any]]:
    """Half a cosine (Loshchilov & Hutter 2017) down to the share `final`, after a linear warm-up."""
    return [_step_config(LambdaLR(optimizer, Ramp(steps, _count_warmup_steps(warmup, steps), final)))]


def one_cycle(optimizer: Optimizer, steps: int, warmup: float = 0.25, final: float = 1e-4) -> list[dict[str, Any]]:
    """Up and down once, momentum the other way (Smith 2018); `final` is a share of the rate at the start, rate / 25.

    The momentum m of the optimizer, or its first beta, goes from m + d to m - d and back; d is half of the smaller of m
    and 1 - m, so that 0.9 goes from 0.95 to 0.85.
    """
    _count_warmup_steps(warmup, steps)
    if math.isclose(warmup * steps, 1):  # OneCycleLR divides by (warm-up steps - 1), which is 0 here
        warmup *= 0.99
    rates = [group["lr"] for group in optimizer.param_groups]
    swings = [(momentum, min(momentum, 1 - momentum) / 2) for momentum in map(_read_momentum, optimizer.param_groups)]
    cycle = OneCycleLR(
        optimizer,
        rates,
        total_steps=steps,
        pct_start=warmup,
        final_div_factor=1 / final,
        cycle_momentum=_has_momentum(optimizer),
        base_momentum=[round(momentum - swing, 12) for momentum, swing in swings],
        max_momentum=[round(momentum + swing, 12) for momentum, swing in swings],
    )
    return [_step_config(cycle)]


def plateau(
    optimizer: Optimizer,
    steps: int,
    warmup: float = 0.05,
    factor: float = 0.3,
    patience: int = 3,
    monitor: str = "val/score",
) -> list[dict[str, Any]]:
    """Times `factor` whenever `monitor` has not improved for `patience` validations, after a linear warm-up.

    A task turns the scheduler round where less of `monitor` is better; see `turn_plateaus`.
    """
    if not 0 < factor < 1 or patience < 0:
        raise CandelabraError(
            f"scheduler.factor={factor} must be above 0 and below 1, and scheduler.patience={patience} at least 0."
        )
    # eps: torch would leave rates below 1e-8 alone, which discriminative ones can be
    # threshold: torch's is relative, so that of a negative metric an equal one would count as better
    fall = ReduceLROnPlateau(optimizer, mode="max", factor=factor, patience=patience, threshold=0, eps=0)
    epochs = {"scheduler": fall, "interval": "epoch", "monitor": monitor, "reduce_on_plateau": True}
    epochs["strict"] = False  # an epoch need not have been validated
    rise = _count_warmup_steps(warmup, steps)
    # LinearLR multiplies the rate it finds, so it does not undo what the plateau took away; 0 steps are not allowed.
    return [_step_config(LinearLR(optimizer, 1 / (rise + 1), total_iters=rise)), epochs] if rise else [epochs]


def turn_plateaus(entries: list[dict[str, Any]], heads: HeadSummaries) -> list[dict[str, Any]]:
    """The entries of a scheduler, with those that follow a metric made to wait for less of it where less is better."""
    for entry in entries:
        scheduler = entry["scheduler"]
        if isinstance(scheduler, ReduceLROnPlateau) and is_lower_better(entry["monitor"], heads):
            same = {name: getattr(scheduler, name) for name in ("factor", "patience", "threshold", "eps")}
            entry["scheduler"] = ReduceLROnPlateau(scheduler.optimizer, mode="min", **same)
    return entries


def has_metric(scheduler: Any) -> bool:
    """Whether a scheduler follows a metric."""
    return isinstance(scheduler, ReduceLROnPlateau)


def step_plateau(entries: Sequence[LRSchedulerConfig], numbers: Mapping[str, Tensor | float]) -> None:
    """Steps the schedulers that follow a metric of validation.

    Args:
        entries: of the trainer.
        numbers: what was measured, without the `val/` in front.

    Raises:
        CandelabraError: such a metric was not measured.
    """
    for entry in entries:
        if isinstance(entry.scheduler, ReduceLROnPlateau):
            name = str(entry.monitor).removeprefix("val/")
            if name not in numbers:
                raise CandelabraError(f"monitor={entry.monitor} was not measured in this validation; use val/score.")
            entry.scheduler.step(float(numbers[name]))


def _has_momentum(optimizer: Optimizer) -> bool:
    return "momentum" in optimizer.defaults or "betas" in optimizer.defaults


def _read_momentum(group: Mapping[str, Any]) -> float:
    return float(group["betas"][0] if "betas" in group else group.get("momentum", 0.0))


def _step_config(scheduler: Any) -> dict[str, Any]:
    return {"scheduler": scheduler, "interval": "step"}


def _count_warmup_steps(share: float, steps: int) -> int:
    if not 0 <= share < 1:
        raise CandelabraError(f"scheduler.warmup={share} is a share of the run, 0 up to, but not, 1.")
    return round(share * steps)
