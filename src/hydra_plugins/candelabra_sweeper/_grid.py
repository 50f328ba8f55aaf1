"""Every combination, once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import final

from ._errors import SweepError
from ._jobs import Job
from ._plan import SweepPlan, find_unfinished
from ._space import SearchSpace
from ._trial import JobContext


@final
class GridPlan(SweepPlan):
    """See `SweepPlan`.

    Args:
        space: what is varied.
        name: of the sweep's folder.
        objectives: what the jobs' results are called.
        jobs: that there have been in this sweep.
        retry: numbers of failed jobs that are to be run again.
    """

    def __init__(
        self, space: SearchSpace, name: str, objectives: Mapping[str, str], jobs: Sequence[Job], retry: Sequence[int]
    ) -> None:
        self.name, self.objectives = name, objectives
        combinations = list(space.combinations())
        # by words: typed in another order, the same combinations have other numbers
        begun = Counter(tuple(sorted(job.words)) for job in jobs)
        if begun - Counter(tuple(sorted(words)) for words in combinations):
            raise SweepError(
                f"{name} holds jobs that are none of this grid: its space has changed. Give another folder with "
                "hydra.sweep.dir=<folder>."
            )
        known = {job.number for job in jobs}
        numbers = (number for number in count() if number not in known)
        new = []
        for words in combinations:
            key = tuple(sorted(words))
            if begun[key]:
                begun[key] -= 1
            else:
                new.append(Job(next(numbers), words, ""))
        self.count = len(combinations)
        stopped, failed = find_unfinished(jobs, retry)
        self.waiting = [*stopped, *new, *failed]

    def total(self) -> int:
        return self.count

    def next(self) -> Job | None:
        return self.waiting.pop(0) if self.waiting else None

    def tell(self, job: Job) -> Job:
        return job

    def told(self, job: Job) -> JobContext:
        return JobContext(self.objectives, self.name)
