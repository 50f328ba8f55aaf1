"""Collect several runs for a report: the jobs of a sweep, or the runs of several folders."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.runs.config_diff import diff_configs
from candelabra.runs.folders import find_runs
from candelabra.runs.head_metrics import is_lower_better
from candelabra.runs.overrides import parse_key, shorten_keys, shorten_text
from candelabra.runs.partial_run import PartialRun, read_partial_run
from hydra_plugins.candelabra_sweeper.jobs import SWEEP, Job, State, Sweep, read_jobs, read_sweep

_PLACES = ("folder", "hydra.run.dir", "hydra.sweep.dir", "resume", "overwrite")  # overrides that do not change a run
FINISHED = State.FINISHED.value


@dataclass(frozen=True, eq=False)
class CollectedRun:
    """One of several runs.

    Attributes:
        name: for display.
        run: its files.
        state: `FINISHED`, failed, pruned, ...
        words: overrides that differ between the runs, by key.
        values: finite values of the objectives, by name.
        seconds: duration; null if unknown.
        error: in one line; null if there is none.
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
        """Name and overrides in one line."""
        return " ".join([self.name, *(f"{key}={word}" for key, word in self.words.items())])


@dataclass(frozen=True, eq=False)
class RunCollection:
    """The runs of one page.

    Attributes:
        entries: in the order of job numbers, or as given.
        objectives: `maximize` or `minimize` by name of the metric.
        sweep: of the runs; null if they are no sweep.
    """

    entries: Sequence[CollectedRun]
    objectives: Mapping[str, str]
    sweep: Sweep | None = None

    @property
    def keys(self) -> list[str]:
        """The keys in which the overrides of the runs differ."""
        return list(dict.fromkeys(key for entry in self.entries for key in entry.words))

    @property
    def best(self) -> list[CollectedRun]:
        """The best finished run of one objective; with several objectives, the Pareto-optimal finished runs."""
        known = [
            entry for entry in self.entries if entry.state == FINISHED and self.objectives.keys() <= entry.values.keys()
        ]
        if len(self.objectives) == 1:
            return sorted(known, key=self.costs)[:1]
        return [entry for entry in known if not any(self._better(other, entry) for other in known)]

    def costs(self, entry: CollectedRun) -> list[float]:
        """Return the objectives of a run, negated if they are maximized: lower is better."""
        return [entry.values[key] * (-1 if way == "maximize" else 1) for key, way in self.objectives.items()]

    def _better(self, one: CollectedRun, other: CollectedRun) -> bool:
        pairs = list(zip(self.costs(one), self.costs(other), strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def is_sweep_folder(folder: Path) -> bool:
    """Whether a folder is the folder of a sweep."""
    return (folder / SWEEP).is_file()


def find_job(run: Path) -> Job | None:
    """Return the job of a run in the sweep that contains it; null if there is none."""
    if not is_sweep_folder(run.resolve().parent):
        return None
    return next(
        (job for job in _read_sweep_jobs(run.resolve().parent) if Path(job.folder).name == run.resolve().name), None
    )


def collect_runs(given: Sequence[Path]) -> RunCollection:
    """Collect the jobs of a sweep, or runs.

    Args:
        given: the folder of one sweep, or folders of runs and sweeps.

    Raises:
        CandelabraError: a folder contains no run, no job has started, or a sweep cannot be read.
    """
    if len(given) == 1 and is_sweep_folder(given[0]):
        return _collect_sweep(given[0])
    folders: dict[Path, Path] = {}
    for path in given:
        inside = (
            [_find_job_folder(job, path) for job in _read_sweep_jobs(path)]
            if is_sweep_folder(path)
            else find_runs([path])
        )
        folders |= {run.resolve(): run for run in inside if (run / "config.yaml").is_file()}
    runs = [read_partial_run(folder) for folder in folders.values()]
    if not runs:
        raise CandelabraError(
            f"{' '.join(map(str, given))}: no job has started yet; wait for the first job, then report again."
        )
    monitors = {str(run.config.get("monitor", "val/score")) for run in runs}
    lower = {name for name in monitors if any(is_lower_better(name, run.heads) for run in runs)}
    ways = {name: "minimize" if name in lower else "maximize" for name in sorted(monitors)}
    objectives = ways if len(monitors) == 1 else {"val/score": "maximize"}
    entries = []
    for name, run, words in zip(_name_runs(runs), runs, _shorten_words(_list_differences(runs)), strict=True):
        values = {key: run.results[key] for key in objectives if key in run.results}
        state = FINISHED if run.finished else "not finished"
        entries.append(CollectedRun(name, run, state, words, values, run.results.get("seconds")))
    return RunCollection(entries, objectives)


def _collect_sweep(folder: Path) -> RunCollection:
    try:
        sweep = read_sweep(folder)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CandelabraError(f"{folder / SWEEP} cannot be read ({' '.join(str(error).split())}).") from error
    entries = []
    jobs = _read_sweep_jobs(folder)
    for job, words in zip(jobs, _shorten_words(_keep_differing([job.words for job in jobs])), strict=True):
        values = {key: float(value) for key, value in job.values.items() if _is_finite_number(value)}
        run = read_partial_run(_find_job_folder(job, folder))
        entries.append(
            CollectedRun(f"#{job.number}", run, job.now.value, words, values, job.seconds or None, job.error)
        )
    return RunCollection(entries, dict(sweep.objectives), sweep)


def _read_sweep_jobs(sweep: Path) -> list[Job]:
    try:
        return read_jobs(sweep)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CandelabraError(f"The jobs of {sweep} cannot be read ({' '.join(str(error).split())}).") from error


def _find_job_folder(job: Job, sweep: Path) -> Path:
    """Return the run folder of a job, even if the sweep was moved; it does not exist if the job never started."""
    if not job.folder:
        return sweep / str(job.number)
    return next(
        (path for path in (sweep / Path(job.folder).name, sweep / job.folder) if path.is_dir()), Path(job.folder)
    )


def _list_differences(runs: Sequence[PartialRun]) -> list[dict[str, str]]:
    """Return the overrides that differ between runs, including seeds; without overrides, differing config keys."""
    typed = _keep_differing([run.words for run in runs])
    if any(typed) or len(runs) == 1:
        return typed
    known = [run for run in runs if run.settings]
    columns = diff_configs([run.settings for run in known]) if known else {}
    rows = {run.folder: {key: column[place] for key, column in columns.items()} for place, run in enumerate(known)}
    return [rows.get(run.folder, {}) for run in runs]


def _keep_differing(words: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """The overrides of each run by key, without those that all runs have alike."""
    typed = [
        {parse_key(word): word.partition("=")[2] for word in each if parse_key(word) not in _PLACES} for each in words
    ]
    keys = dict.fromkeys(key for each in typed for key in each if len({other.get(key) for other in typed}) > 1)
    return [{key: each[key] for key in keys if key in each} for each in typed]


def _shorten_words(words: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The same with the shortest unique keys and rounded numbers, as `candelabra sweep status` shows them."""
    keys = list(dict.fromkeys(key for each in words for key in each))
    short = dict(zip(keys, shorten_keys(keys), strict=True))
    return [{short[key]: shorten_text(word) for key, word in each.items()} for each in words]


def _name_runs(runs: Sequence[PartialRun]) -> list[str]:
    """Return the folder names of runs; with their parent folders if two are equal."""
    short = [run.folder.resolve().name for run in runs]
    if len(set(short)) == len(short):
        return short
    return ["/".join(run.folder.resolve().parts[-2:]) for run in runs]


def _is_finite_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def count_states(entries: Iterable[CollectedRun]) -> dict[str, int]:
    """Count the runs in each state."""
    found: dict[str, int] = {}
    for entry in entries:
        found[entry.state] = found.get(entry.state, 0) + 1
    return found
