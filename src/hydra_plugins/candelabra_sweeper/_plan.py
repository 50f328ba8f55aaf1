"""What a sweep does next: the contract of grids and studies."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ._jobs import Job, State
from ._trial import JobContext


class SweepPlan(ABC):
    """Gives jobs out and hears what came of them.

    Jobs that it gives out have a number and words; the sweep knows their folders. A job that was stopped is given out
    again before any new one, and one that failed and is to be retried after them.
    """

    @abstractmethod
    def total(self) -> int:
        """How many jobs there are to be."""

    @abstractmethod
    def next(self) -> Job | None:
        """What to begin now; none where nothing is left."""

    @abstractmethod
    def tell(self, job: Job) -> Job:
        """Hears of a job that has ended, and returns it as it is to be written down."""

    @abstractmethod
    def told(self, job: Job) -> JobContext:
        """What the job is told."""


def find_unfinished(jobs: Sequence[Job], retry: Sequence[int]) -> tuple[list[Job], list[Job]]:
    """Jobs that are to be run again: those that were stopped, and those that failed."""
    stopped = [job for job in jobs if job.state in (State.RUNNING, State.STOPPED)]
    failed = [job for job in jobs if job.number in retry and job.state is State.FAILED]
    return stopped, failed
