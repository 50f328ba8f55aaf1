"""The result of a probe, a grid of learning rates and weight decays: checkpoint, table, CSV and heat map."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import numpy as np
from rich.console import Console
from rich.table import Table

from candelabra.errors import CandelabraError
from candelabra.feature_cache.probe_grid import ProbeGrid, ProbeTrial
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER


def save_probe(grid: ProbeGrid, trainer: L.Trainer, folder: Path) -> str:
    """Saves the best heads of a trained grid as checkpoint of the run, and writes the table of all trials.

    Returns:
        The path of the checkpoint.

    Raises:
        CandelabraError: training ended before the heads were compared on validation.
    """
    if not math.isfinite(grid.best.score):
        raise CandelabraError("The probe ended before its heads were compared on validation; give it more epochs.")
    best = folder / CHECKPOINT_FOLDER / "best.ckpt"
    trainer.save_checkpoint(best, weights_only=True)
    if trainer.is_global_zero:
        write_probe_table(grid.trials, grid.best, folder)
    return str(best)


def write_probe_table(trials: Sequence[ProbeTrial], best: ProbeTrial, folder: Path) -> None:
    """Prints scores by rate and decay, and writes `probe.csv` and `pictures/probe.png`.

    Args:
        trials: all of them.
        best: the trial whose weights are saved.
        folder: of the run.
    """
    with (folder / "probe.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["rate", "decay", "val/score", "val/loss", "epoch", "kept"])
        for trial in trials:
            kept = (trial.rate, trial.decay) == (best.rate, best.decay)
            rows.writerow([trial.rate, trial.decay, trial.score, trial.loss, trial.epoch, int(kept)])
    rates, decays = sorted({trial.rate for trial in trials}), sorted({trial.decay for trial in trials})
    scores = {(trial.rate, trial.decay): trial.score for trial in trials}
    table = Table("rate \\ decay", *(f"{decay:g}" for decay in decays), title="val/score of the probe")
    for rate in rates:
        cells = [f"{scores[rate, decay]:.4f}" for decay in decays]
        marked = [
            f"[bold]{cell}[/]" if (rate, decay) == (best.rate, best.decay) else cell
            for cell, decay in zip(cells, decays, strict=True)
        ]
        table.add_row(f"{rate:g}", *marked)
    Console().print(table)
    _heat_map(np.array([[scores[rate, decay] for decay in decays] for rate in rates]), rates, decays, folder)


def _heat_map(scores: np.ndarray, rates: Sequence[float], decays: Sequence[float], folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 0.9 * len(decays), 2 + 0.6 * len(rates)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(scores, aspect="auto")
    axes.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])
    axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    axes.set_xlabel("weight decay")
    axes.set_ylabel("rate")
    for row, column in np.ndindex(scores.shape):
        colour = "black" if scores[row, column] > (scores.min() + scores.max()) / 2 else "white"
        axes.text(column, row, f"{scores[row, column]:.3f}", ha="center", va="center", color=colour)
    figure.colorbar(image, label="val/score")
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "pictures" / "probe.png", dpi=120)
