"""Records outcomes of jobs: on disk, in the plan and in the log."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

from ._jobs import JOBS, Job, State, write_job
from ._plan import SweepPlan
from ._returned import JobOutcome

log = logging.getLogger("sweep")
_ENDED = (State.FINISHED, State.PRUNED, State.FAILED)


@final
class JobRecord:
    """The present state of all jobs of a sweep.

    Args:
        folder: of the sweep.
        plan: that receives outcomes.
        jobs: so far.
        fixed: words that are the same in all jobs.
        objectives: `maximize` or `minimize`, by name.
    """

    def __init__(
        self, folder: Path, plan: SweepPlan, jobs: Sequence[Job], fixed: Sequence[str], objectives: Mapping[str, str]
    ) -> None:
        self.folder, self.plan, self.fixed, self.objectives = folder, plan, set(fixed), objectives
        self.jobs = {job.number: job for job in jobs}

    def returned(self, job: Job) -> Path:
        """Path of the file for what the job returns."""
        return self.folder / JOBS / f"{job.number:06d}.returned"

    def begin(self, job: Job, host: str, process: int) -> Job:
        """Records that a job has begun."""
        now = time.time()
        log.info("job %d %s: %s", job.number, "goes on" if job.begun else "begins", self._words(job))
        return self._write(
            replace(
                job,
                state=State.RUNNING,
                host=host,
                process=process,
                begun=job.begun or now,
                since=now,
                values={},
                error=None,
            )
        )

    def end(self, job: Job, outcome: JobOutcome) -> Job:
        """Records that a job has ended or stopped."""
        now = time.time()
        seconds = job.seconds + now - (job.since or now)
        job = self._write(
            replace(
                job,
                state=outcome.state,
                values=outcome.values,
                error=outcome.error,
                since=None,
                seconds=round(seconds, 2),
            )
        )
        told = self.plan.tell(job)
        if told != job:
            job = self._write(told)
        result = ", ".join(f"{name} {value:.4g}" for name, value in job.values.items())
        said = ": ".join(part for part in (str(job.state), job.error or result) if part)
        log.info("job %d %s (%.0f s); %s", job.number, said, seconds, self._progress())
        return job

    def failed(self) -> list[int]:
        """Numbers of the jobs that failed."""
        return [job.number for job in self.jobs.values() if job.state is State.FAILED]

    def best(self) -> Job | None:
        """Of one objective."""
        name, direction = next(iter(self.objectives.items()))
        done = [job for job in self.jobs.values() if job.state is State.FINISHED and name in job.values]
        if not done or len(self.objectives) > 1:
            return None
        return (max if direction == "maximize" else min)(done, key=lambda job: job.values[name])

    def summary(self) -> str:
        """A sentence."""
        best = self.best()
        if best is None:
            return f"{self._progress()}; {self.folder}"
        name, value = next(iter(best.values.items()))
        said = f"{self._progress()}; best is job {best.number} with {name} {value:.4g}: {self._words(best)}"
        unvaried = [
            job.values[name] for job in self.jobs.values() if name in job.values and set(job.words) <= self.fixed
        ]
        return (
            f"{said}; without any change it is {unvaried[0]:.4g}" if unvaried and set(best.words) - self.fixed else said
        )

    def _write(self, job: Job) -> Job:
        self.jobs[job.number] = job
        write_job(job, self.folder)
        return job

    def _progress(self) -> str:
        states = [job.state for job in self.jobs.values()]
        counts = [f"{states.count(state)} {state}" for state in State if state in states]
        return f"{sum(state in _ENDED for state in states)} of {self.plan.total()}: {', '.join(counts)}"

    def _words(self, job: Job) -> str:
        return " ".join(word for word in job.words if word not in self.fixed) or "as it is"
