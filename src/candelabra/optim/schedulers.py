"""Learning rate schedules: each builds torch's scheduler for an optimizer with any number of groups."""

import math
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, OneCycleLR, ReduceLROnPlateau

from candelabra.errors import CandelabraError


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
    """Up and down once, momentum the other way (Smith 2018); `final` is a share of the rate at the start, rate / 25."""
    _count_warmup_steps(warmup, steps)
    if math.isclose(warmup * steps, 1):  # OneCycleLR divides by (warm-up steps - 1), which is 0 here
        warmup *= 0.99
    rates = [group["lr"] for group in optimizer.param_groups]
    cycle = OneCycleLR(optimizer, rates, total_steps=steps, pct_start=warmup, final_div_factor=1 / final)
    return [_step_config(cycle)]


def plateau(
    optimizer: Optimizer, steps: int, warmup: float = 0.05, factor: float = 0.3, patience: int = 3
) -> list[dict[str, Any]]:
    """Times `factor` whenever `val/score` has not risen for `patience` epochs, after a linear warm-up."""
    # eps: torch would leave rates below 1e-8 alone, which discriminative ones can be
    fall = ReduceLROnPlateau(optimizer, mode="max", factor=factor, patience=patience, eps=0)
    epochs = {"scheduler": fall, "interval": "epoch", "monitor": "val/score", "reduce_on_plateau": True}
    epochs["strict"] = False  # an epoch need not have been validated
    rise = _count_warmup_steps(warmup, steps)
    # LinearLR multiplies the rate it finds, so it does not undo what the plateau took away; 0 steps are not allowed.
    return [_step_config(LinearLR(optimizer, 1 / (rise + 1), total_iters=rise)), epochs] if rise else [epochs]


def step_plateau(schedulers: Any, score: float) -> None:
    """Steps the schedulers that follow a metric, of what `LightningModule.lr_schedulers` returns."""
    for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(score)


def _step_config(scheduler: Any) -> dict[str, Any]:
    return {"scheduler": scheduler, "interval": "step"}


def _count_warmup_steps(share: float, steps: int) -> int:
    if not 0 <= share < 1:
        raise CandelabraError(f"scheduler.warmup={share} is a share of the run, 0 up to, but not, 1.")
    return round(share * steps)
