"""The interface of grids and studies: which job comes next."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ._jobs import Job, State
from ._trial import JobContext


class SweepPlan(ABC):
    """Chooses jobs and receives their outcomes.

    Its jobs have a number and words; the sweep knows their folders. Stopped jobs come before new ones, failed jobs that
    are retried after stopped ones.
    """

    @abstractmethod
    def total(self) -> int:
        """Number of jobs."""

    @abstractmethod
    def next(self) -> Job | None:
        """Returns the next job; None if none is left."""

    @abstractmethod
    def tell(self, job: Job) -> Job:
        """Receives a job that has ended; returns it as it is to be written."""

    @abstractmethod
    def told(self, job: Job) -> JobContext:
        """Returns the context of a job."""


def find_unfinished(jobs: Sequence[Job], retry: Sequence[int]) -> tuple[list[Job], list[Job]]:
    """Jobs that are to be run again: those that were stopped, and those that failed."""
    stopped = [job for job in jobs if job.state in (State.RUNNING, State.STOPPED)]
    failed = [job for job in jobs if job.number in retry and job.state is State.FAILED]
    return stopped, failed
