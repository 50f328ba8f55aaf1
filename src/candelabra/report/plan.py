"""The plan of a run for people: a table before training, a picture, a csv."""

import csv
import math
from pathlib import Path

import lightning as L
from rich.console import Console
from rich.table import Table

from candelabra.optim.schedule_plan import SchedulePlan
from candelabra.tasks.task import Task

_WIDEST = 110  # characters of the table
_COLUMN = 10  # characters of an epoch's column
_SHOWN = 40  # rows of the picture with a name each


class ShowPlan(L.Callback):
    """Prints the plan when a run begins, and draws pictures/plan.png into its folder.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Task)
        if trainer.is_global_zero and pl_module.schedule_plan is not None:  # made when the fit started
            print_plan(pl_module.schedule_plan)
            draw_plan(pl_module.schedule_plan, self.folder / "pictures" / "plan.png")


def print_plan(plan: SchedulePlan) -> None:
    """A table of parts and epochs; where it would be too wide, a column stands for several epochs."""
    console = Console()
    names = max(len(name) for name in plan.names)
    room = min(console.width, _WIDEST) - names - 4
    epochs = plan.ranges(max(2, room // _COLUMN))
    table = Table("epoch", title="plan: the highest rate of each part within an epoch")
    for span in epochs:
        table.add_column(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}", justify="right", no_wrap=True)
    for part, name in enumerate(plan.names):
        table.add_row(name, *(_cell(plan.peak(part, span)) for span in epochs))
    console.print(table)


def write_plan(plan: SchedulePlan, path: Path) -> None:
    """A row a part and epoch (from 0): part, epoch, rate; the rate is empty where the part is frozen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["part", "epoch", "rate"])
        for name, rates in zip(plan.names, plan.rates, strict=True):
            table.writerows([name, epoch, "" if rate is None else f"{rate:.6g}"] for epoch, rate in enumerate(rates))


def draw_plan(plan: SchedulePlan, path: Path) -> None:
    """A heat map of rates, the heads on top, colours by their logarithm; what is frozen is grey and hatched."""
    import numpy as np
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    path.parent.mkdir(parents=True, exist_ok=True)
    rates = np.array([[math.nan if rate is None else rate for rate in row] for row in reversed(plan.rates)])
    learning = rates[rates > 0]  # not where it is frozen: NaN is above nothing
    rows, columns = rates.shape
    figure = Figure(figsize=(min(14, 4.5 + 0.4 * columns), min(12, 1.6 + 0.3 * rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("lightgrey")
    axes.patch.set(hatch="///", edgecolor="grey")
    norm = LogNorm(learning.min(), max(learning.max(), learning.min() * 1.01))
    picture = axes.imshow(rates, norm=norm, cmap="viridis", aspect="auto", interpolation="nearest")
    if rows <= _SHOWN:
        axes.set_yticks(range(rows), [*reversed(plan.names)])
    axes.set(xlabel="epoch", title="highest rate of each part within an epoch; grey is frozen")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(picture, label="rate")
    figure.savefig(path, dpi=110)


def _cell(rate: float | None) -> str:
    return "frozen" if rate is None else f"{rate:.1e}"
