"""Runs jobs: in our own processes as soon as a worker is free, or in batches by other launchers."""

import logging
import os
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import final

from hydra.plugins.launcher import Launcher

from ._devices import divide_devices
from ._jobs import Job, State
from ._launcher import LOG, ProcessLauncher, quote_override
from ._plan import SweepPlan
from ._process import JobProcess
from ._record import JobRecord
from ._returned import JobOutcome, read_outcome, wait_for_outcome
from ._trial import TRIAL

log = logging.getLogger("sweep")
_USAGE = 2  # exit code of a program that refuses its arguments
_PATIENCE = 3  # jobs at the beginning that all end so, after which the sweep stops


class JobRunner(ABC):
    """Runs all jobs of a plan."""

    @abstractmethod
    def run(self, plan: SweepPlan, record: JobRecord) -> int:
        """Returns the signal that stopped it, 0 where none did."""


@dataclass
class JobWorker:
    """A worker: its environment variables, job and process."""

    environment: dict[str, str]
    job: Job
    process: JobProcess


@final
class ProcessWorker(JobRunner):
    """A free worker takes the next job at once.

    Args:
        launcher: starts them.
        folder_of: the folder of a job.
        objectives: names of what jobs return.
        needed: whether a job without them has failed.
    """

    def __init__(
        self, launcher: ProcessLauncher, folder_of: Callable[[Job], Path], objectives: Sequence[str], needed: bool
    ) -> None:
        self.launcher, self.folder_of, self.objectives, self.needed = launcher, folder_of, objectives, needed
        self.free = divide_devices(launcher.workers, os.environ)
        self.workers: list[JobWorker] = []
        self.codes: list[int] = []

    def run(self, plan: SweepPlan, record: JobRecord) -> int:
        with stop_on_signals(self._stop) as signals:
            while True:
                while self.free and not signals and not self.is_hopeless(record) and (job := plan.next()) is not None:
                    self._begin(job, plan, record)
                    if signals:  # that came while it began
                        self._stop(len(signals))
                if not self.workers:
                    return signals[0] if signals else 0
                for worker in list(self.workers):
                    code = worker.process.ended()
                    if code is not None:
                        self._end(worker, code, record, bool(signals))
                time.sleep(0.05)

    def _begin(self, job: Job, plan: SweepPlan, record: JobRecord) -> None:
        placed = _placed(job, self.folder_of, record, record.jobs.values())
        if placed is None:
            self.codes.append(_USAGE)
            return
        job, folder, path = placed, Path(placed.folder), record.returned(placed)
        if job.state in (State.RUNNING, State.STOPPED) and path.is_file():
            ended = read_outcome(0, path, folder / LOG, self.objectives, needed=True)
            if ended.state is State.FINISHED:  # after its sweep was killed
                record.end(job, ended)
                return
        share = self.free.pop(0)
        variables = {**share, TRIAL: plan.told(job).words()}
        try:
            process = self.launcher.start(job.words, folder, path, variables)
        except OSError as error:  # a folder whose name is too long, no memory for one more process
            self.free.append(share)
            record.end(job, JobOutcome(State.FAILED, error=f"it could not be started: {error}"[:500]))
            self.codes.append(_USAGE)
            return
        self.workers.append(JobWorker(share, record.begin(job, socket.gethostname(), process.number), process))

    def _end(self, worker: JobWorker, code: int, record: JobRecord, stopped: bool) -> None:
        self.workers.remove(worker)
        self.free.append(worker.environment)
        path = record.returned(worker.job)
        if stopped and code != 0:
            ended = JobOutcome(State.STOPPED)
        else:
            ended = read_outcome(code, path, Path(worker.job.folder) / LOG, self.objectives, self.needed)
            self.codes.append(code)
        record.end(worker.job, ended)
        path.unlink(missing_ok=True)  # after it is written down: killed in between, it would be run again

    def _stop(self, count: int) -> None:
        for worker in self.workers:
            worker.process.stop() if count == 1 else worker.process.kill()

    def is_hopeless(self, record: JobRecord) -> bool:
        """Whether all jobs refused their arguments; not if others succeeded and only failed ones are retried."""
        fine = any(job.state in (State.FINISHED, State.PRUNED) for job in record.jobs.values())
        return len(self.codes) >= _PATIENCE and set(self.codes) == {_USAGE} and not fine


@final
class BatchWorker(JobRunner):
    """Passes batches of jobs to another launcher, which returns when all have ended.

    Args:
        launcher: of Hydra's.
        folder_of: see `ProcessWorker`.
        sweep: folder of the sweep.
        size: how many at once; null all.
        objectives: see `ProcessWorker`.
        needed: see `ProcessWorker`.
        again: the words that are added where a job goes on in a folder.
    """

    def __init__(
        self,
        launcher: Launcher,
        folder_of: Callable[[Job], Path],
        sweep: Path,
        size: int | None,
        objectives: Sequence[str],
        needed: bool,
        again: Callable[[Path], list[str]],
    ) -> None:
        self.launcher, self.folder_of, self.sweep, self.size = launcher, folder_of, sweep, size
        self.objectives, self.needed, self.again = objectives, needed, again

    def run(self, plan: SweepPlan, record: JobRecord) -> int:
        while batch := self._batch(plan, record):
            words = [self._words(job, plan) for job in batch]
            jobs = [record.begin(job, socket.gethostname(), os.getpid()) for job in batch]
            outcomes = [JobOutcome(State.STOPPED)] * len(jobs)
            try:
                outcomes = self._launched(words, jobs[0].number)
            except KeyboardInterrupt:
                return signal.SIGINT
            finally:
                for job, ended in zip(jobs, outcomes, strict=True):
                    record.end(job, ended)
        return 0

    def _batch(self, plan: SweepPlan, record: JobRecord) -> list[Job]:
        batch: list[Job] = []
        while (self.size is None or len(batch) < self.size) and (job := plan.next()) is not None:
            placed = _placed(job, self.folder_of, record, [*record.jobs.values(), *batch])
            batch += [] if placed is None else [placed]
        return batch

    def _words(self, job: Job, plan: SweepPlan) -> list[str]:
        trial = f"++hydra.job.env_set.{TRIAL}={quote_override(plan.told(job).words())}"
        folder = Path(job.folder)
        place = f"hydra.sweep.subdir={quote_override(str(folder.relative_to(self.sweep)))}"
        where = f"hydra.sweep.dir={quote_override(str(self.sweep))}"
        return [*job.words, *self.again(folder), where, place, trial]

    def _launched(self, words: Sequence[Sequence[str]], first: int) -> list[JobOutcome]:
        try:
            returned = self.launcher.launch(words, initial_job_idx=first)
        except Exception as error:  # a worker that was lost takes the whole batch with it
            said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            return [JobOutcome(State.FAILED, error=said)] * len(words)
        return [wait_for_outcome(each, self.objectives, self.needed) for each in returned]


def _placed(job: Job, folder_of: Callable[[Job], Path], record: JobRecord, others: Iterable[Job]) -> Job | None:
    """Returns the job with its folder; records it as failed and returns None if it has no folder of its own."""
    try:
        folder = str(folder_of(job))
    except Exception as error:  # words that do not compose
        said = " ".join(str(error).split())
    else:
        taken = [other.number for other in others if other.folder == folder and other.number != job.number]
        if not taken:
            return replace(job, folder=folder)
        said = f"its folder {folder} is that of job {taken[0]}; put ${{hydra.job.num}} into hydra.sweep.subdir"
    record.end(replace(job, folder=""), JobOutcome(State.FAILED, error=said[:500]))
    return None


@contextmanager
def stop_on_signals(stop: Callable[[int], None]) -> Iterator[list[int]]:
    """SIGINT, SIGTERM and SIGUSR1 (SLURM, soon out of time) call `stop` with how many there were; yields those."""
    signals: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) == 1:
            log.info("stopping: the jobs may save what they have; once more ends them at once")
        stop(len(signals))

    names = ("SIGINT", "SIGTERM", "SIGUSR1")  # Windows has no SIGUSR1
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    before = [signal.signal(number, note) for number in numbers]
    try:
        yield signals
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
