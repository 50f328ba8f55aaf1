"""The result of a learning rate range test: the suggested rate, a CSV and a plot."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
_FALL = 0.02  # smallest decrease, as a share of the first loss, that counts as learning
_WINDOW = 0.1  # width of the moving average, as a share of all steps


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
        return max(1, round(len(self.losses) * _WINDOW / 2))

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


def _window(losses: Sequence[float] | NDArray[np.float64]) -> tuple[float, float]:
    """Limits of the axis that show the fall, whatever the end."""
    low, start = float(np.min(losses)), float(losses[0])
    room = (start - low or abs(low) or 1.0) * 0.25
    return low - room, start + 2 * room
