"""Print, draw and write the schedule plan of a run."""

import csv
import logging
import math
from pathlib import Path

import lightning as L
from rich.table import Table

from candelabra.optim.schedule_plan import SchedulePlan
from candelabra.report.consoles import make_console
from candelabra.tasks.task import Task

log = logging.getLogger(__name__)
_FEW_STEPS = 200  # of a whole run
_WIDEST = 110  # characters of the table
_COLUMN = 10  # characters per epoch column
_SHOWN = 40  # maximal number of parts that are named in the plot


class ShowPlan(L.Callback):
    """Callback that prints the plan at the start of training and draws pictures/plan.png.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Task)
        if trainer.is_global_zero and pl_module.schedule_plan is not None:  # computed at the start of fit
            print_plan(pl_module.schedule_plan)
            steps = int(trainer.estimated_stepping_batches)
            limited = isinstance(trainer.limit_train_batches, int)  # by the user, as with trainer=smoke
            if 0 < steps < _FEW_STEPS and not limited:
                log.warning("%d optimizer steps are few; raise epochs, or lower data.batch_size", steps)
            draw_plan(pl_module.schedule_plan, self.folder / "pictures" / "plan.png")


def print_plan(plan: SchedulePlan) -> None:
    """Print a table of parts and epochs; several epochs share a column if the table would be too wide."""
    console = make_console()
    names = max(len(name) for name in plan.names)
    room = min(console.width, _WIDEST) - names - 4
    epochs = plan.ranges(max(2, room // _COLUMN))
    table = Table("epoch", title="plan: highest learning rates")
    for span in epochs:
        table.add_column(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}", justify="right", no_wrap=True)
    for part, name in enumerate(plan.names):
        table.add_row(name, *(_format_rate(plan.peak(part, span)) for span in epochs))
    console.print(table)


def write_plan(plan: SchedulePlan, path: Path) -> None:
    """Write a CSV with one row per part and epoch (from 0): part, epoch, rate; empty rate if the part is frozen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["part", "epoch", "rate"])
        for name, rates in zip(plan.names, plan.rates, strict=True):
            table.writerows([name, epoch, "" if rate is None else f"{rate:.6g}"] for epoch, rate in enumerate(rates))


def draw_plan(plan: SchedulePlan, path: Path) -> None:
    """Draw a heat map of rates, heads on top, with logarithmic colours; frozen parts are grey and hatched."""
    import numpy as np
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    path.parent.mkdir(parents=True, exist_ok=True)
    rates = np.array([[math.nan if rate is None else rate for rate in row] for row in reversed(plan.rates)])
    trained = rates[rates > 0]  # excludes frozen parts: NaN > 0 is false
    rows, columns = rates.shape
    figure = Figure(figsize=(min(14, 4.5 + 0.4 * columns), min(12, 1.6 + 0.3 * rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("lightgrey")
    axes.patch.set(hatch="///", edgecolor="grey")
    norm = LogNorm(trained.min(), max(trained.max(), trained.min() * 1.01))
    picture = axes.imshow(rates, norm=norm, cmap="viridis", aspect="auto", interpolation="nearest")
    if rows <= _SHOWN:
        axes.set_yticks(range(rows), [*reversed(plan.names)])
    axes.set(xlabel="epoch", title="highest rate of each part within an epoch; grey is frozen")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    figure.colorbar(picture, label="rate")
    figure.savefig(path, dpi=110)


def _format_rate(rate: float | None) -> str:
    return "frozen" if rate is None else f"{rate:.1e}"
