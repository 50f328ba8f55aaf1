"""The range test of rates: `candelabra lr`, and `lr=auto` before training."""

import csv
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.tuner.tuning import Tuner
from lightning.pytorch.utilities.seed import isolate_rng
from numpy.typing import NDArray
from torch.optim import Optimizer

from candelabra.data.loading.datamodule import DataModule
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning
from candelabra.optim.parameter_groups import ParameterGroups
from candelabra.tasks.task import Task

log = logging.getLogger(__name__)
_LIGHTNINGS_SMOOTHING = 0.98
LONG_RUN_EPOCHS = 1000  # epochs: the end of the run is not what ends the test, nor what a strategy goes by
_FEWEST = 20  # steps from which a slope can be read
_FALL = 0.02  # of the loss at first, below which it is noise
_NEIGHBOURS = 0.1  # of all steps: width of the window in which losses are averaged


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What a range test saw.

    Args:
        rates: (n,) of the heads, rising; the backbone's follow by the strategy's shares.
        losses: (n,) of each step.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]

    @property
    def half(self) -> int:
        """How many neighbours on each side a loss is averaged with."""
        return max(1, round(len(self.losses) * _NEIGHBOURS / 2))

    @property
    def fall(self) -> float:
        """How much lower the smoothed loss ever was than at first."""
        return float(self.smooth[0] - self.smooth.min())

    @property
    def noise(self) -> float:
        """Standard deviation of the smoothed loss, as far as it comes from the choice of images."""
        before = slice(0, int(self.smooth.argmin()) + 1)
        return float(np.std((self.losses - self.smooth)[before]) / np.sqrt(2 * self.half + 1))

    @property
    def smooth(self) -> NDArray[np.float64]:
        """(n,) each loss averaged with its neighbours on both sides, so that no slope comes late."""
        half = self.half
        padded = np.pad(self.losses, half, mode="reflect")
        return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")

    @property
    def steepest(self) -> int:
        """Where the loss falls fastest by the logarithm of the rate, before its minimum."""
        slope = np.gradient(self.smooth, np.log(self.rates))
        lowest = int(self.smooth.argmin())
        return int(slope[: max(lowest, 1)].argmin())

    @property
    def suggestion(self) -> float:
        """The rate of steepest fall, two digits."""
        return float(f"{self.rates[self.steepest]:.1e}")

    @property
    def reason(self) -> str:
        """How the suggestion was chosen, in words."""
        lowest = int(self.smooth.argmin())
        return (
            f"the smoothed loss falls fastest at {self.suggestion:g}, by the logarithm of the rate; it is lowest at "
            f"{self.rates[lowest]:.1e} ({self.smooth[0]:.3f} -> {self.smooth[lowest]:.3f}) in {len(self.rates)} steps"
        )


class StopAtStart(FineTuning):
    """A strategy as it is in the first epoch, however short Lightning takes the run to be.

    Args:
        strategy: whose first epoch lasts.
    """

    def __init__(self, strategy: FineTuning) -> None:
        self.strategy = strategy
        self.keep_statistics, self.kinds, self.layerwise = strategy.keep_statistics, strategy.kinds, strategy.layerwise

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return self.strategy.frozen_stages(0, LONG_RUN_EPOCHS, num_stages)

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.strategy.lr_scale(stage, num_stages)


def run_range_test(
    task: Task,
    data: DataModule,
    make: Callable[..., L.Trainer],
    min: float = 1e-6,
    max: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Trains while the rate rises step by step, and watches the loss (Smith 2017).

    The strategy is in force: what it freezes in its first epoch is frozen, and every group has its share of the rate.
    The random state is left as it was. The task is used up: it has been trained, and has no schedule any more.

    Args:
        task: fresh; `task.optimizer` may have any rate.
        data: what to learn from.
        make: builds a Lightning trainer from further arguments.
        min: the first rate.
        max: the last rate.
        steps: how many rates; ends earlier where the loss is four times the lowest.

    Raises:
        CandelabraError: the range is empty, or the loss was not finite.
    """
    if not 0 < min < max or steps < _FEWEST:
        raise CandelabraError(
            f"range.min={min}, range.max={max}, range.steps={steps}: min must be above 0 and below max, steps at least "
            f"{_FEWEST}."
        )
    task.finetune, task.scheduler = StopAtStart(task.finetune), None
    task.optimizer = _in_shares(task.optimizer)
    with isolate_rng(), tempfile.TemporaryDirectory() as folder:
        trainer = make(
            logger=False,
            callbacks=[],
            default_root_dir=folder,
            max_epochs=LONG_RUN_EPOCHS,
            max_steps=-1,
            check_val_every_n_epoch=1_000_000,
            devices=1,
            num_nodes=1,
            strategy="auto",
        )
        found: Any = Tuner(trainer).lr_find(
            task, datamodule=data, min_lr=min, max_lr=max, num_training=steps, update_attr=False
        )
    rates, smoothed = (np.array(found.results[key], dtype=np.float64) for key in ("lr", "loss"))
    count = int(np.isfinite(smoothed).cumprod().sum())
    if count < _FEWEST:
        raise CandelabraError(
            f"The loss was not finite after {count} steps, at a rate of {rates[count]:g}; try range.max={max / 100:g}."
        )
    return RangeTest(rates[:count], _each_loss(smoothed[:count]))


def write_range_test(test: RangeTest, folder: Path) -> None:
    """Writes `lr.csv` and the curve, `pictures/lr.png`, below `folder`, and says the suggestion.

    Raises:
        CandelabraError: the loss did not fall more than by chance, so that there is none.
    """
    from matplotlib.figure import Figure

    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with (folder / "lr.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["lr", "loss", "smoothed"])
        table.writerows(zip(test.rates, test.losses, test.smooth, strict=True))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(test.rates, test.losses, color="0.8", label="loss of each step")
    axes.plot(test.rates, test.smooth, label="smoothed")
    axes.plot(
        test.suggestion, test.smooth[test.steepest], "o", color="tab:red", label=f"suggested: {test.suggestion:g}"
    )
    axes.set(xscale="log", xlabel="rate of the heads", ylabel="training loss", ylim=_window(test.smooth))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(folder / "pictures" / "lr.png", dpi=110)
    if test.fall < max(_FALL * abs(test.smooth[0]), 4 * test.noise):
        raise CandelabraError(
            f"The loss fell at no rate from {test.rates[0]:.1e} to {test.rates[-1]:.1e} more than by chance "
            f"({test.smooth[0]:.3f} at first, {test.smooth.min():.3f} at best, in {len(test.rates)} steps): try more "
            f"range.steps or another range, or set lr=<number>; see {folder / 'pictures' / 'lr.png'}."
        )
    log.info("lr=%g: %s; see %s", test.suggestion, test.reason, folder / "pictures" / "lr.png")


def _in_shares(make: Callable[[ParameterGroups], Optimizer]) -> Callable[[ParameterGroups], Optimizer]:
    """Lightning gives every group the same rate; each step is then taken at the group's share of it."""

    def made(groups: ParameterGroups) -> Optimizer:
        optimizer = make(groups)
        shares = [group["scale"] for group in optimizer.param_groups]

        def before(optimizer: Optimizer, *_: Any) -> None:
            if len({group["lr"] for group in optimizer.param_groups}) > 1:
                return  # done: an optimizer that steps by its parent's step runs this twice
            for group, share in zip(optimizer.param_groups, shares, strict=True):
                group["lr"] *= share

        optimizer.register_step_pre_hook(before)  # the schedule sets the rate anew after each step
        return optimizer

    return made


def _each_loss(smoothed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The losses behind Lightning's average, whose lag would make the slope seem to come at higher rates."""
    weights = 1 - _LIGHTNINGS_SMOOTHING ** np.arange(2, len(smoothed) + 2)  # it counts from 2
    sums = np.concatenate([[0.0], smoothed * weights])
    losses: NDArray[np.float64] = (sums[1:] - _LIGHTNINGS_SMOOTHING * sums[:-1]) / (1 - _LIGHTNINGS_SMOOTHING)
    return losses


def _window(losses: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Limits of the axis that show the fall, whatever the end."""
    low, start = float(np.min(losses)), float(losses[0])
    room = (start - low or abs(low) or 1.0) * 0.25
    return low - room, start + 2 * room
