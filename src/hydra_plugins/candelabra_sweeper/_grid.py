"""Every combination, once."""

from collections.abc import Mapping, Sequence
from typing import final

from ._jobs import Job
from ._plan import Plan, left_behind
from ._space import Space
from ._trial import Told


@final
class Grid(Plan):
    """See `Plan`.

    Args:
        space: what is varied.
        name: of the sweep's folder.
        objectives: what the jobs' results are called.
        jobs: that there have been in this sweep.
        retry: numbers of failed jobs that are to be run again.
    """

    def __init__(
        self, space: Space, name: str, objectives: Mapping[str, str], jobs: Sequence[Job], retry: Sequence[int]
    ) -> None:
        self.name, self.objectives = name, objectives
        combinations = list(space.combinations())
        known = {job.number for job in jobs}
        new = [Job(number, words, "") for number, words in enumerate(combinations) if number not in known]
        self.count = len(combinations)
        self.waiting = [*left_behind(jobs, retry), *new]

    def total(self) -> int:
        return self.count

    def next(self) -> Job | None:
        return self.waiting.pop(0) if self.waiting else None

    def tell(self, job: Job) -> Job:
        return job

    def told(self, job: Job) -> Told:
        return Told(self.objectives, self.name)
