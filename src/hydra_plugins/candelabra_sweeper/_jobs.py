"""The state of a sweep on disk: sweep.json, and one file for each job below `jobs/`. Imports nothing heavy."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from ._liveness import is_running_since

SWEEP = "sweep.json"
JOBS = "jobs"  # the folder of the jobs' files, whatever the jobs' own folders are called


class State(StrEnum):
    """State of a job; see `Job.now` for jobs whose sweep was killed."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    STOPPED = "stopped"  # by a signal or a kill; it can be resumed


@dataclass(frozen=True)
class Job:
    """One run of the program.

    Attributes:
        number: in the sweep, from 0.
        words: its overrides, as on the command line.
        folder: of the run.
        state: as written last.
        values: of the objectives, by name; empty until it has finished.
        error: one line.
        host: name of the machine that runs it.
        process: its id there.
        begun: seconds since 1970, when it first began.
        since: seconds since 1970, when it began or resumed last, while it runs.
        seconds: spent on it so far, earlier parts included.
        trial: its number in a study, which differs from that of the job if it was retried or the study is shared.
    """

    number: int
    words: Sequence[str]
    folder: str
    state: State = State.WAITING
    values: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None
    host: str | None = None
    process: int | None = None
    begun: float | None = None
    since: float | None = None
    seconds: float = 0.0
    trial: int | None = None

    @property
    def now(self) -> State:
        """The state, but `STOPPED` if the process that ran the job is gone; that of another machine is not checked."""
        here = self.state is State.RUNNING and self.host == socket.gethostname()
        if here and not is_running_since(self.process, self.since):
            return State.STOPPED
        return self.state


def write_job(job: Job, sweep: Path) -> None:
    """Writes the state of a job atomically."""
    _write(sweep / JOBS / f"{job.number:06d}.json", asdict(job))


def read_jobs(sweep: Path) -> list[Job]:
    """Reads all jobs of a sweep, by number."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((sweep / JOBS).glob("*.json"))]
    return [Job(**{**each, "state": State(each["state"])}) for each in found]


@dataclass(frozen=True)
class Sweep:
    """Description of a sweep.

    Attributes:
        program: what starts a job, without its words: interpreter, script or module, command, where its config is.
        words: given on the command line.
        objectives: `maximize` or `minimize` by the name of a result.
        sampler: `grid`, or that of the study.
        study: its name; null for a grid.
        storage: of the study, an address of Optuna's or a journal file; null for a grid.
        total: number of jobs.
        place: working folder of the command; relative paths in its words begin there.
    """

    program: Sequence[str]
    words: Sequence[str]
    objectives: Mapping[str, str]
    sampler: str = "grid"
    study: str | None = None
    storage: str | None = None
    total: int | None = None
    place: str | None = None


def write_sweep(sweep: Sweep, folder: Path) -> None:
    """Writes sweep.json atomically."""
    _write(folder / SWEEP, asdict(sweep))


def read_sweep(folder: Path) -> Sweep:
    """Reads sweep.json."""
    return Sweep(**json.loads((folder / SWEEP).read_text(encoding="utf-8")))


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
