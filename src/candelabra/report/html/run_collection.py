"""Several runs as a report sees them: jobs of a sweep or runs that lie together, each with words of its own."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.runs.config_diff import diff_configs
from candelabra.runs.folders import find_runs
from candelabra.runs.head_metrics import is_lower_better
from candelabra.runs.overrides import parse_key
from candelabra.runs.partial_run import PartialRun, read_partial_run
from hydra_plugins.candelabra_sweeper.jobs import SWEEP, Job, Sweep, read_jobs, read_sweep

_PLACES = ("folder", "hydra.run.dir", "hydra.sweep.dir", "resume", "overwrite")  # words that say where, not what


@dataclass(frozen=True, eq=False)
class CollectedRun:
    """One of several runs.

    Attributes:
        name: to show.
        run: what it left.
        state: finished, failed, ...
        words: in which it differs from the others, by key.
        values: of the objectives, by name, finite.
        seconds: it took; null where nobody knows.
        error: one line.
    """

    name: str
    run: PartialRun
    state: str
    words: Mapping[str, str]
    values: Mapping[str, float]
    seconds: float | None = None
    error: str | None = None

    @property
    def label(self) -> str:
        """Name and words in one line."""
        return " ".join([self.name, *(f"{key}={word}" for key, word in self.words.items())])


@dataclass(frozen=True, eq=False)
class RunCollection:
    """Runs of one page.

    Attributes:
        entries: in the order of their numbers, or as given.
        objectives: what was sought: `maximize` or `minimize` by the name of the number.
        sweep: what is known of it; null where the runs are no sweep.
    """

    entries: Sequence[CollectedRun]
    objectives: Mapping[str, str]
    sweep: Sweep | None = None

    @property
    def keys(self) -> list[str]:
        """The words in which the runs differ."""
        return list(dict.fromkeys(key for entry in self.entries for key in entry.words))

    @property
    def best(self) -> list[CollectedRun]:
        """By one objective the best; by several, those that no other is better than in all."""
        known = [entry for entry in self.entries if self.objectives.keys() <= entry.values.keys()]
        if len(self.objectives) == 1:
            return sorted(known, key=self.costs)[:1]
        return [entry for entry in known if not any(self._better(other, entry) for other in known)]

    def costs(self, entry: CollectedRun) -> list[float]:
        """The objectives, lower is better."""
        return [entry.values[key] * (-1 if way == "maximize" else 1) for key, way in self.objectives.items()]

    def _better(self, one: CollectedRun, other: CollectedRun) -> bool:
        pairs = list(zip(self.costs(one), self.costs(other), strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def is_sweep_folder(folder: Path) -> bool:
    """Whether a sweep has begun there."""
    return (folder / SWEEP).is_file()


def find_job(run: Path) -> Job | None:
    """What the sweep beside a run says of it."""
    if not is_sweep_folder(run.resolve().parent):
        return None
    return next((job for job in _jobs(run.resolve().parent) if Path(job.folder).name == run.resolve().name), None)


def collect_runs(given: Sequence[Path]) -> RunCollection:
    """A sweep; or runs, of which several sweeps may be the givers.

    Raises:
        CandelabraError: something given is no run and holds none, or a sweep cannot be read.
    """
    if len(given) == 1 and is_sweep_folder(given[0]):
        return _of_sweep(given[0])
    folders: dict[Path, Path] = {}
    for path in given:
        inside = [_place(job, path) for job in _jobs(path)] if is_sweep_folder(path) else find_runs([path])
        folders |= {run.resolve(): run for run in inside if (run / "config.yaml").is_file()}
    runs = [read_partial_run(folder) for folder in folders.values()]
    if not runs:
        raise CandelabraError(f"{' '.join(map(str, given))}: no job has begun yet; there is nothing to report.")
    monitors = {str(run.config.get("monitor", "val/score")) for run in runs}
    lower = {name for name in monitors if any(is_lower_better(name, run.heads) for run in runs)}
    ways = {name: "minimize" if name in lower else "maximize" for name in sorted(monitors)}
    objectives = ways if len(monitors) == 1 else {"val/score": "maximize"}
    entries = []
    for name, run, words in zip(_names(runs), runs, _words(runs), strict=True):
        values = {key: run.results[key] for key in objectives if key in run.results}
        state = "finished" if run.finished else "not finished"
        entries.append(CollectedRun(name, run, state, words, values, run.results.get("seconds")))
    return RunCollection(entries, objectives)


def _of_sweep(folder: Path) -> RunCollection:
    try:
        sweep = read_sweep(folder)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CandelabraError(f"{folder / SWEEP} cannot be read ({' '.join(str(error).split())}).") from error
    entries = []
    for job in _jobs(folder):
        words = {parse_key(word): word.partition("=")[2] for word in job.words if parse_key(word) not in _PLACES}
        values = {key: float(value) for key, value in job.values.items() if _finite(value)}
        run = read_partial_run(_place(job, folder))
        entries.append(
            CollectedRun(f"#{job.number}", run, job.now.value, words, values, job.seconds or None, job.error)
        )
    return RunCollection(entries, dict(sweep.objectives), sweep)


def _jobs(sweep: Path) -> list[Job]:
    try:
        return read_jobs(sweep)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CandelabraError(f"The jobs of {sweep} cannot be read ({' '.join(str(error).split())}).") from error


def _place(job: Job, sweep: Path) -> Path:
    """Where the run of a job is, also where the sweep has been moved; one that never began has no folder."""
    if not job.folder:
        return sweep / str(job.number)
    return next(
        (path for path in (sweep / Path(job.folder).name, sweep / job.folder) if path.is_dir()), Path(job.folder)
    )


def _words(runs: Sequence[PartialRun]) -> list[dict[str, str]]:
    """What was typed for some runs and not for all, seeds included; of runs that nobody typed, what differs."""
    typed = [
        {parse_key(word): word.partition("=")[2] for word in run.words if parse_key(word) not in _PLACES}
        for run in runs
    ]
    keys = dict.fromkeys(key for each in typed for key in each if len({other.get(key) for other in typed}) > 1)
    if keys or len(runs) == 1:
        return [{key: each[key] for key in keys if key in each} for each in typed]
    known = [run for run in runs if run.settings]
    columns = diff_configs([run.settings for run in known]) if known else {}
    rows = {run.folder: {key: column[place] for key, column in columns.items()} for place, run in enumerate(known)}
    return [rows.get(run.folder, {}) for run in runs]


def _names(runs: Sequence[PartialRun]) -> list[str]:
    """Names of folders; with the folder above, where two are equal."""
    short = [run.folder.resolve().name for run in runs]
    if len(set(short)) == len(short):
        return short
    return ["/".join(run.folder.resolve().parts[-2:]) for run in runs]


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def count_states(entries: Iterable[CollectedRun]) -> dict[str, int]:
    """How many runs are in each state."""
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.state] = found.get(entry.state, 0) + 1
    return found
