"""Results of a sweep: parameters of its jobs, and the best of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._jobs import Job, State, Sweep

MAXIMIZE = "maximize"


@dataclass(frozen=True, eq=False)
class SweepResults:
    """The content of a sweep's folder.

    Attributes:
        folder: as it was given.
        sweep: its description.
        jobs: by number.
    """

    folder: Path
    sweep: Sweep
    jobs: Sequence[Job]

    @property
    def objectives(self) -> Mapping[str, str]:
        """What is sought, by the name of the result: `maximize` or `minimize`."""
        return self.sweep.objectives

    def parameters(self) -> dict[str, list[str]]:
        """Keys in which jobs differ, each with one value for each job; empty if a job has none."""
        given = [{result_key(word): word.partition("=")[2] for word in job.words} for job in self.jobs]
        keys = dict.fromkeys(key for words in given for key in words)
        columns = {key: [words.get(key, "") for words in given] for key in keys}
        varied = {key: column for key, column in columns.items() if len(set(column)) > 1}
        return varied if len(self.jobs) > 1 else columns

    def run(self, job: Job) -> Path:
        """The job's run folder; beside the others where the sweep's folder was moved."""
        written = Path(job.folder)
        moved = self.folder / written.name
        return moved if moved.is_dir() and not written.is_dir() else written

    def judged(self) -> list[Job]:
        """Finished jobs with a number for every objective."""
        return [job for job in self.jobs if job.state is State.FINISHED and self.losses(job) is not None]

    def losses(self, job: Job) -> list[float] | None:
        """The job's objectives, each turned so that less is better; none where one is missing or no number."""
        values = [job.values.get(name, math.nan) for name in self.objectives]
        if not values or any(math.isnan(value) for value in values):
            return None
        signs = [-1 if direction == MAXIMIZE else 1 for direction in self.objectives.values()]
        return [sign * value for sign, value in zip(signs, values, strict=True)]

    def best(self) -> list[Job]:
        """The best job; of several objectives those that no other beats (the Pareto front), by the first of them."""
        losses = {job.number: self.losses(job) or [] for job in self.judged()}
        jobs = sorted(self.judged(), key=lambda job: (losses[job.number], job.number))
        if len(self.objectives) < 2:
            return jobs[:1]
        return [job for job in jobs if not any(_beats(other, losses[job.number]) for other in losses.values())]


def result_key(word: str) -> str:
    """The key of the config that an override is about: `head@task.label=x` is about task.label."""
    group, _, package = word.lstrip("+~").partition("=")[0].partition("@")
    return package or group


def _beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a job is as good in every objective, and better in one."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
