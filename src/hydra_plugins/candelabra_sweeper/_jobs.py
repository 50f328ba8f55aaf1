"""What is known of a sweep: one sweep.json, and one file a job below `jobs/`; nothing heavy is imported to read it."""

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
    """Where a job is; what was running when its sweep was killed is told by `Job.now`."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    STOPPED = "stopped"  # by a signal or a kill; it can go on


@dataclass(frozen=True)
class Job:
    """One run of the program.

    Attributes:
        number: in the sweep, from 0; in a study that of the trial it began as.
        words: overrides that make it this job, as one types them.
        folder: of the run.
        state: as it was written.
        values: of the objectives, by name; empty until it has finished.
        error: one line.
        host: where it ran.
        process: its number there.
        begun: seconds since 1970; of the first time, where it was continued.
        since: the same, of this time, while it runs.
        seconds: spent on it so far, earlier parts included.
        trial: its number in a study; another than that of the job where it was retried or the study is shared.
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
    """Beside the file and then renamed, so that a reader never sees half of it."""
    _write(sweep / JOBS / f"{job.number:06d}.json", asdict(job))


def read_jobs(sweep: Path) -> list[Job]:
    """All jobs of a sweep, by number."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((sweep / JOBS).glob("*.json"))]
    return [Job(**{**each, "state": State(each["state"])}) for each in found]


@dataclass(frozen=True)
class Sweep:
    """What a sweep is.

    Attributes:
        program: what starts a job, without its words: interpreter, script or module, command, where its config is.
        words: what was typed.
        objectives: what is sought, by the name of the result: `maximize` or `minimize`.
        sampler: `grid`, or that of the study.
        study: its name; null for a grid.
        storage: of the study, an address of Optuna's or a journal file; null for a grid.
        total: how many jobs there are to be.
        place: the working folder in which it was typed; relative paths among its words begin there.
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
    """See `write_job`."""
    _write(folder / SWEEP, asdict(sweep))


def read_sweep(folder: Path) -> Sweep:
    """What was written."""
    return Sweep(**json.loads((folder / SWEEP).read_text(encoding="utf-8")))


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
