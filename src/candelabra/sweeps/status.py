"""`candelabra sweep status`: a table of jobs, failed and running ones first."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from candelabra.runs.overrides import shorten_keys, shorten_text
from hydra_plugins.candelabra_sweeper.jobs import Job, State
from hydra_plugins.candelabra_sweeper.results import SweepResults

_ORDER = (State.RUNNING, State.FAILED, State.STOPPED, State.WAITING, State.FINISHED, State.PRUNED)
_COLOURS = {State.RUNNING: "cyan", State.FAILED: "red", State.STOPPED: "yellow", State.FINISHED: "green"}
_ERROR = 40  # least width of the column of errors, in characters


def print_status(found: SweepResults, rows: int | None, console: Console) -> None:
    """Prints counts by state, a table of jobs, and how to retry failed ones.

    Args:
        found: the sweep.
        rows: of the table; None shows all.
        console: printed on; the table takes its width.
    """
    jobs = sort_jobs(found)
    counts = Counter(job.now for job in jobs)
    total = found.sweep.total or len(jobs)
    states = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    console.print(f"{f'{len(jobs)} of {total}' if total > len(jobs) else total} jobs: {states}")
    shown = jobs[:rows]
    if shown:
        print_jobs(found, shown, console)
    if len(shown) < len(jobs):
        rest = Counter(job.now for job in jobs[len(shown) :])
        words = ", ".join(f"{number} {state}" for state, number in rest.items())
        console.print(f"and {words}, not shown: rows=all shows them", highlight=False)
    if counts[State.FAILED] or counts[State.STOPPED]:
        console.print(f"run them again: candelabra sweep retry {found.folder}", highlight=False, soft_wrap=True)


def sort_jobs(found: SweepResults) -> list[Job]:
    """Sorts jobs: running and failed ones first, finished ones from the best."""

    def key(job: Job) -> tuple[int, list[float], int]:
        return _ORDER.index(job.now), found.losses(job) or [float("inf")], job.number

    return sorted(found.jobs, key=key)


def print_jobs(found: SweepResults, jobs: Sequence[Job], console: Console) -> None:
    """Prints the table, with a column of errors if there is room for it, else with the errors below."""
    bare = make_jobs_table(found, jobs)
    failed = [job for job in jobs if job.error]
    if failed and console.measure(bare).maximum + _ERROR <= console.width:
        console.print(make_jobs_table(found, jobs, errors=True))
        return
    console.print(bare)
    for job in failed:
        console.print(f"job {job.number}: {job.error}", style="red", highlight=False, markup=False, soft_wrap=True)


def make_jobs_table(found: SweepResults, jobs: Sequence[Job], errors: bool = False) -> Table:
    """Makes a table of number, state, overrides, objectives, time and optionally the error of each job."""
    sheet = Table(box=None, padding=(0, 1), expand=errors, header_style="bold")
    sheet.add_column("job", justify="right", no_wrap=True)
    sheet.add_column("state", no_wrap=True)
    parameters = found.parameters()
    for name in shorten_keys(list(parameters)):
        sheet.add_column(_break_name(name), overflow="fold")
    for name in found.objectives:
        sheet.add_column(_break_name(name), justify="right", no_wrap=True)
    sheet.add_column("time", justify="right", no_wrap=True)
    if errors:
        sheet.add_column("error", no_wrap=True, overflow="ellipsis", ratio=1)
    places = {job.number: place for place, job in enumerate(found.jobs)}
    best = {job.number for job in found.best()}
    for job in jobs:
        cells = [
            Text(str(job.number)),
            Text(job.now, _COLOURS.get(job.now, "")),
            *(Text(shorten_text(column[places[job.number]])) for column in parameters.values()),
            *(Text(_number(job.values.get(name))) for name in found.objectives),
            Text(format_duration(_seconds(job))),
            *([Text(job.error or "")] if errors else []),
        ]
        sheet.add_row(*cells, style="bold" if job.number in best else None)
    return sheet


def print_jobs_json(found: SweepResults, console: Console) -> None:
    """Prints JSON for scripts: the objectives, and each job with its present state."""
    jobs = [{**asdict(job), "state": job.now, "folder": str(found.run(job))} for job in sort_jobs(found)]
    content = {"folder": str(found.folder), **asdict(found.sweep), "jobs": jobs}
    console.file.write(json.dumps(content) + "\n")


def format_duration(seconds: float | None) -> str:
    """Formats seconds for people.

    >>> [format_duration(value) for value in (None, 7.26, 75, 3675, 200000)]
    ['', '7 s', '1 min', '1:01 h', '55:33 h']
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


def _seconds(job: Job) -> float | None:
    """Returns the seconds of a job; for a running one, those since it began."""
    if job.now is State.RUNNING and job.begun is not None:
        return max(job.seconds, time.time() - job.begun)
    return job.seconds or None


def _break_name(name: str) -> str:
    """Breaks a column name at its dots."""
    return name.replace("/", "/\n").replace("_", "_\n")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if abs(value) >= 10 else f"{value:.4f}"
