"""Pictures of a sweep of any Hydra program: history of the best result, importance of parameters, Pareto front."""

import logging
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from ._importance import UnknownImportance, compute_importances
from ._jobs import Job, State, read_jobs, read_sweep
from ._results import MAXIMIZE, SweepResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger("sweep")
_FEWEST = 2  # jobs with results that make a picture
_NAMED = 12  # jobs of a front whose numbers stand beside them
_MARKS = {State.FAILED: ("x", "C3"), State.PRUNED: ("|", "0.5")}


def illustrate(folder: Path) -> None:
    """Draws the pictures and logs their paths; raises nothing, as a picture must not cost the results of a sweep."""
    try:
        written, missing = draw_figure(SweepResults(folder, read_sweep(folder), read_jobs(folder)))
    except Exception as error:
        log.warning("no pictures of the sweep: %s: %s", type(error).__name__, " ".join(str(error).split()))
        return
    for line in [*map(str, written), *missing]:
        log.info("%s", line)


def draw_figure(results: SweepResults) -> tuple[list[Path], list[str]]:
    """Writes history.png, importance.png and, with several objectives, pareto.png into the sweep's folder.

    Returns:
        What was written, and a sentence for each picture that was not.
    """
    if len(results.judged()) < _FEWEST:
        return [], [f"No pictures of the sweep: they need {_FEWEST} jobs with results."]
    figures, missing = {"history.png": draw_history(results)}, []
    try:
        figures["importance.png"] = draw_importances(compute_importances(results), len(results.judged()))
    except UnknownImportance as reason:
        missing.append(f"No importance.png: {reason}.")
    if len(results.objectives) > 1:
        figures["pareto.png"] = draw_front(results)
    written = []
    for name, figure in figures.items():
        figure.savefig(results.folder / name, dpi=120)
        written.append(results.folder / name)
    return written, missing


def draw_history(results: SweepResults) -> "Figure":
    """A panel an objective: each job's value by its number, the best so far as a line, jobs without one at the edge."""
    from matplotlib.figure import Figure

    names = list(results.objectives)
    figure = Figure(figsize=(7.0, 1.2 + 2.6 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    jobs = results.judged()
    numbers = [job.number for job in jobs]
    for axes, name in zip(panels, names, strict=True):
        values = [job.values[name] for job in jobs]
        better = max if results.objectives[name] == MAXIMIZE else min
        axes.plot(numbers, values, "o", color="C0", markersize=4, alpha=0.7, label="job")
        axes.step(numbers, list(accumulate(values, better)), where="post", color="C1", label="best so far")
        for state, (mark, colour) in _MARKS.items():
            where = [job.number for job in results.jobs if job.now is state]
            if where:
                edge = [0.02] * len(where)
                axes.plot(where, edge, mark, color=colour, transform=axes.get_xaxis_transform(), label=str(state))
        axes.set_ylabel(f"{name}\n({results.objectives[name]})")
        axes.grid(alpha=0.3)
    panels[-1].set_xlabel("job")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=8)
    return figure


def draw_importances(found: Mapping[str, Mapping[str, float]], jobs: int) -> "Figure":
    """The importance of each parameter for each objective, the largest on top."""
    from matplotlib.figure import Figure

    keys = sorted(next(iter(found.values())), key=lambda key: sum(shares[key] for shares in found.values()))
    height = 0.8 / len(found)
    figure = Figure(figsize=(7.0, 1.4 + len(keys) * (0.25 + 0.2 * len(found))), layout="constrained")
    axes = figure.subplots()
    for number, (objective, shares) in enumerate(found.items()):
        places = [place + 0.4 - height * (number + 0.5) for place in range(len(keys))]
        drawn = axes.barh(places, [shares[key] for key in keys], height * 0.92, label=objective)
        axes.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
    axes.set_yticks(range(len(keys)), keys)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel(f"share of what differs between {jobs} jobs that it explains (fANOVA)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def draw_front(results: SweepResults) -> "Figure":
    """The first objective against each other one; jobs that no other beats are joined, and named by their numbers."""
    from matplotlib.figure import Figure

    first, *others = results.objectives
    figure = Figure(figsize=(1.5 + 4.5 * len(others), 4.2), layout="constrained")
    panels = figure.subplots(1, len(others), sharey=True, squeeze=False)[0]
    best = results.best()
    for axes, other in zip(panels, others, strict=True):
        jobs = results.judged()
        axes.plot(
            [job.values[other] for job in jobs], [job.values[first] for job in jobs], "o", color="0.7", label="job"
        )
        _join(axes, sorted(best, key=lambda job: job.values[other]), other, first)
        axes.set_xlabel(f"{other} ({results.objectives[other]})")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"{first} ({results.objectives[first]})")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=8)
    return figure


def _join(axes: "Axes", best: list[Job], across: str, up: str) -> None:
    axes.plot(
        [job.values[across] for job in best],
        [job.values[up] for job in best],
        "o-",
        color="C1",
        label="no other beats it",
    )
    for job in best[: _NAMED if len(best) <= _NAMED else 0]:
        place = (job.values[across], job.values[up])
        axes.annotate(str(job.number), place, xytext=(4, 4), textcoords="offset points", fontsize=8)
