"""The page of a sweep, or of several runs."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from candelabra.report.html.embedded_images import read_embedded_images
from candelabra.report.html.page import write_page
from candelabra.report.html.panels import TOTAL_METRICS
from candelabra.report.html.plotly_figures import PlotlyFigure, overlay_curves
from candelabra.report.html.run_collection import CollectedRun, RunCollection, count_states
from candelabra.report.html.run_page import list_problems
from candelabra.report.html.script import read_plotly_script
from candelabra.report.html.sweep_figures import draw_outcomes, draw_parallel_coordinates, list_complete_jobs
from candelabra.runs.config_diff import diff_configs
from candelabra.runs.curves import MetricCurve, read_curves
from candelabra.runs.head_metrics import is_count

_POINTS = 300_000  # on the page, of all curves
_DRAWN = 150  # runs whose curves are drawn
_BESIDE = 6  # runs whose configs stand in columns
_VALUES = 12  # of one key that are listed


def write_runs_page(found: RunCollection, given: Sequence[Path], path: Path) -> None:
    """Writes the page of several runs, finished or not."""
    drawn = _drawn(found)
    curves = {entry: read_curves(entry.run.folder / "metrics.csv") for entry in drawn}
    first, further = _figures(found, curves)
    pictures, problems = read_embedded_images([*given, *(folder / "pictures" for folder in given)])
    problems += [f"{entry.name}: {each}" for entry in found.entries for each in entry.run.problems]
    problems += [f"{entry.name}: {each}" for entry in drawn for each in list_problems(curves[entry])]
    sweep = found.sweep
    write_page(
        Path(__file__).with_name("runs.html"),
        path,
        name=" ".join(folder.resolve().name for folder in given),
        command=shlex.join(["candelabra", "train", *sweep.words]) if sweep else "",
        sweep=sweep,
        states=count_states(found.entries),
        problems=problems,
        objectives=found.objectives,
        errors=_errors(found.entries),
        best=found.best,
        keys=found.keys,
        measured=_measured(found),
        timed="seconds" not in found.objectives,
        rows=[(entry, _page_of(entry, path)) for entry in found.entries],
        places={entry: os.path.relpath(entry.run.folder, path.parent) for entry in found.best},
        coordinates=draw_parallel_coordinates(found),
        outcomes=draw_outcomes(found),
        left_out=len(found.entries) - len(list_complete_jobs(found)),
        first=first,
        further=further,
        undrawn=len(found.entries) - len(drawn),
        differences=_differences(found.entries),
        pictures=pictures,
        plotly=read_plotly_script(),
    )


def _drawn(found: RunCollection) -> list[CollectedRun]:
    """All runs; of very many the best ones by the first objective, then others, in the order of the page."""
    if len(found.entries) <= _DRAWN:
        return list(found.entries)
    known = sorted(list_complete_jobs(found), key=found.costs)
    known += [entry for entry in found.entries if entry not in set(known)]
    kept = set(known[:_DRAWN])
    return [entry for entry in found.entries if entry in kept]


def _figures(
    found: RunCollection, curves: Mapping[CollectedRun, Mapping[str, MetricCurve]]
) -> tuple[list[tuple[str, PlotlyFigure]], list[tuple[str, PlotlyFigure]]]:
    """What matters first: objectives, score, losses and the heads' main metrics; then the rest."""
    names = dict.fromkeys(
        name for entry, each in curves.items() for name in each if not is_count(name, entry.run.heads)
    )
    most = max(30, _POINTS // max(1, sum(len(each) for each in curves.values())))
    best = set(found.best)
    first: list[tuple[str, PlotlyFigure]] = []
    further: list[tuple[str, PlotlyFigure]] = []
    main = [f"val/{name}" for name in _list_main_metrics(found)]
    ahead = [name for name in dict.fromkeys([*found.objectives, "val/score", *TOTAL_METRICS, *main]) if name in names]
    for name in [*ahead, *(name for name in sorted(names) if name not in ahead)]:
        lines = [(entry.label, each[name], entry in best) for entry, each in curves.items() if name in each]
        lines = [line for line in lines if line[1].steps]
        if lines:
            (first if name in ahead else further).append((name, overlay_curves(name, lines, most)))
    return first, further


def _errors(entries: Sequence[CollectedRun]) -> list[tuple[str, list[str]]]:
    """What went wrong, and in which runs."""
    words = dict.fromkeys(entry.error for entry in entries if entry.error)
    return [(error, [entry.name for entry in entries if entry.error == error]) for error in words if error]


def _measured(found: RunCollection) -> list[str]:
    """The main metric of each head on test, where some run has it."""
    names = [f"test/{name}" for name in _list_main_metrics(found)]
    names = [name for name in names if name not in found.objectives]
    return [name for name in names if any(name in entry.run.results for entry in found.entries)]


def _list_main_metrics(found: RunCollection) -> list[str]:
    """`<head>/<metric>` of the main metric of each head; first those of the runs with most heads."""
    runs = sorted((entry.run for entry in found.entries), key=lambda run: -len(run.heads))
    return list(dict.fromkeys(f"{name}/{head.main_metric}" for run in runs for name, head in run.heads.items()))


def _page_of(entry: CollectedRun, path: Path) -> str | None:
    """The address of the run's own report, seen from this page."""
    page = entry.run.folder / "report.html"
    return quote(os.path.relpath(page, path.parent), errors="surrogateescape") if page.is_file() else None


@dataclass(frozen=True)
class ConfigDifference:
    """A key in which configs differ.

    Attributes:
        key: of the config.
        words: one a run, where they are few.
        counts: the values, and how many runs have each.
        rest: values that are not listed.
    """

    key: str
    words: Sequence[str]
    counts: Sequence[tuple[str, int]]
    rest: int


def _differences(entries: Sequence[CollectedRun]) -> tuple[list[str], list[ConfigDifference]]:
    """Names of the runs, where they are few enough to stand in columns, and in what their configs differ."""
    known = [entry for entry in entries if entry.run.settings]
    if len(known) < 2:
        return [], []
    found = []
    for key, words in diff_configs([entry.run.settings for entry in known]).items():
        counts = sorted({word: words.count(word) for word in words}.items(), key=lambda each: -each[1])
        found.append(ConfigDifference(key, words, counts[:_VALUES], max(0, len(counts) - _VALUES)))
    return [entry.name for entry in known] if len(known) <= _BESIDE else [], found
