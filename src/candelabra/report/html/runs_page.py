"""Write the HTML report of a sweep or of several runs."""

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
from candelabra.report.html.run_collection import FINISHED, CollectedRun, RunCollection, count_states
from candelabra.report.html.run_page import list_problems
from candelabra.report.html.script import read_plotly_script
from candelabra.report.html.sweep_figures import draw_outcomes, draw_parallel_coordinates, list_complete_jobs
from candelabra.runs.config_diff import diff_configs
from candelabra.runs.curves import MetricCurve, read_curves
from candelabra.runs.head_metrics import is_count

_MAX_POINTS = 300_000  # on the page, of all curves
_DRAWN = 150  # maximal number of runs with curves
_MAX_COLUMNS = 6  # maximal number of configs in columns
_VALUES = 12  # maximal number of listed values per key


def write_runs_page(found: RunCollection, given: Sequence[Path], path: Path) -> None:
    """Write the report of several runs, which may be unfinished."""
    drawn = _select_drawn_runs(found)
    curves = {entry: read_curves(entry.run.folder / "metrics.csv") for entry in drawn}
    first, further = _make_figures(found, curves)
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
        errors=_group_errors(found.entries),
        best=found.best,
        keys=found.keys,
        measured=_list_test_metrics(found),
        timed="seconds" not in found.objectives,
        rows=[(entry, _link_report(entry, path)) for entry in found.entries],
        places={entry: os.path.relpath(entry.run.folder, path.parent) for entry in found.best},
        coordinates=draw_parallel_coordinates(found),
        outcomes=draw_outcomes(found),
        left_out=len(found.entries) - len(list_complete_jobs(found)),
        first=first,
        further=further,
        undrawn=len(found.entries) - len(drawn),
        differences=_list_differences(found.entries),
        pictures=pictures,
        plotly=read_plotly_script(),
    )


def _select_drawn_runs(found: RunCollection) -> list[CollectedRun]:
    """Return the runs with curves, in page order: all, or at most `_DRAWN`, the best finished ones first."""
    if len(found.entries) <= _DRAWN:
        return list(found.entries)
    known = sorted(list_complete_jobs(found), key=lambda entry: (entry.state != FINISHED, found.costs(entry)))
    known += [entry for entry in found.entries if entry not in set(known)]
    kept = set(known[:_DRAWN])
    return [entry for entry in found.entries if entry in kept]


def _make_figures(
    found: RunCollection, curves: Mapping[CollectedRun, Mapping[str, MetricCurve]]
) -> tuple[list[tuple[str, PlotlyFigure]], list[tuple[str, PlotlyFigure]]]:
    """Return two lists of figures: objectives, score, losses and main metrics of heads; and all other metrics."""
    names = dict.fromkeys(
        name for entry, each in curves.items() for name in each if not is_count(name, entry.run.heads)
    )
    most = max(30, _MAX_POINTS // max(1, sum(len(each) for each in curves.values())))
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


def _group_errors(entries: Sequence[CollectedRun]) -> list[tuple[str, list[str]]]:
    """Return each error with the names of the runs that raised it."""
    words = dict.fromkeys(entry.error for entry in entries if entry.error)
    return [(error, [entry.name for entry in entries if entry.error == error]) for error in words if error]


def _list_test_metrics(found: RunCollection) -> list[str]:
    """Return the main metric of each head on test, if a run has it."""
    names = [f"test/{name}" for name in _list_main_metrics(found)]
    names = [name for name in names if name not in found.objectives]
    return [name for name in names if any(name in entry.run.results for entry in found.entries)]


def _list_main_metrics(found: RunCollection) -> list[str]:
    """`<head>/<metric>` of the main metric of each head; first those of the runs with most heads."""
    runs = sorted((entry.run for entry in found.entries), key=lambda run: -len(run.heads))
    return list(dict.fromkeys(f"{name}/{head.main_metric}" for run in runs for name, head in run.heads.items()))


def _link_report(entry: CollectedRun, path: Path) -> str | None:
    """Return the relative URL of the report of a run; null if it has none."""
    page = entry.run.folder / "report.html"
    return quote(os.path.relpath(page, path.parent), errors="surrogateescape") if page.is_file() else None


@dataclass(frozen=True)
class ConfigDifference:
    """A key in which configs differ.

    Attributes:
        key: of the config.
        words: the value of each run.
        counts: the most frequent values, each with its number of runs.
        rest: number of values that are not listed.
    """

    key: str
    words: Sequence[str]
    counts: Sequence[tuple[str, int]]
    rest: int


def _list_differences(entries: Sequence[CollectedRun]) -> tuple[list[str], list[ConfigDifference]]:
    """Return the names of the runs, empty if they are too many for columns, and the differences of their configs."""
    known = [entry for entry in entries if entry.run.settings]
    if len(known) < 2:
        return [], []
    found = []
    for key, words in diff_configs([entry.run.settings for entry in known]).items():
        counts = sorted({word: words.count(word) for word in words}.items(), key=lambda each: -each[1])
        found.append(ConfigDifference(key, words, counts[:_VALUES], max(0, len(counts) - _VALUES)))
    return [entry.name for entry in known] if len(known) <= _MAX_COLUMNS else [], found
