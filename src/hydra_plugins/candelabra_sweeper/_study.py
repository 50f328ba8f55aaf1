"""An Optuna study: its sampler draws the jobs, its storage keeps them, also for several machines."""

import logging
import math
import socket
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ._errors import SweepError
from ._jobs import Job, State
from ._joining import check_study
from ._plan import SweepPlan, find_unfinished
from ._space import SearchSpace
from ._trial import JobContext

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("sweep")
_JOURNALS = (".log", ".journal")
_WHOLE = ("QMCSampler", "GridSampler", "BruteForceSampler")  # their seed is that of the whole sequence
_RETRIES = "retries"  # attribute of a trial: the number of the failed one that it repeats
_ENDED = (State.FINISHED, State.PRUNED, State.FAILED)
_SWEEP = "sweep"  # attribute of a trial: the host and folder that it was drawn for
_BASELINE = "baseline"  # attribute of the trial without anything varied
_ABANDONED = 60.0  # seconds after which a trial without that attribute was lost between two writes


@dataclass(frozen=True)
class StudyOptions:
    """Options of a study.

    Attributes:
        name: under which it is continued.
        storage: an address of Optuna's, or a journal file.
        sampler: a node that names Optuna's class.
        pruner: likewise; null prunes nothing.
        objectives: `maximize` or `minimize`, by name.
        trials: how many there are to be in the storage, failed and pruned ones included.
        baseline: whether the first trial varies nothing, so that the others are compared with what is used without a
            search.
        minutes: that the sweep may take; null sets no limit.
        local: patterns of keys that may have other values on each machine.
    """

    name: str
    storage: str
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any] | None
    objectives: Mapping[str, Any]
    trials: int
    baseline: bool = False
    minutes: float | None = None
    local: Sequence[str] = ()


@final
class StudyPlan(SweepPlan):
    """See `SweepPlan`.

    A trial's parameters depend only on the seed, its number and the results so far: a study with one worker that is
    killed and continued ends as if it had not been killed. Each trial has a seed of its own, because a sampler that
    gets the same seed after a restart draws the first trials again.

    Args:
        space: what is varied.
        options: see `StudyOptions`.
        folder: of the sweep.
        jobs: that there have been in this sweep.
        retry: numbers of failed jobs that are to be run again.
    """

    def __init__(
        self, space: SearchSpace, options: StudyOptions, folder: Path, jobs: Sequence[Job], retry: Sequence[int]
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.space, self.options, self.folder = space, options, folder
        self.distributions = space.distributions()
        self.owner = f"{socket.gethostname()}:{folder.resolve()}"
        try:
            self.study = optuna.create_study(
                storage=open_storage(options.storage),
                study_name=options.name,
                directions=list(options.objectives.values()),
                load_if_exists=True,
            )
            check_study(self.study, options.objectives, space.fixed, options.local)
        except ValueError as error:
            raise SweepError(f"The study {options.name} cannot be used: {error}") from error
        self.private = str(folder.resolve()) in options.storage
        self.stopped, self.failed = find_unfinished(jobs, retry)
        self.known = {job.trial for job in jobs}
        self.seconds: list[float] = []  # that each job took
        for job in jobs:  # the sweep may have been killed before it told
            self.tell(job)
        self.end = time.monotonic() + 60 * (options.minutes or math.inf) - sum(self.seconds)

    def total(self) -> int:
        return self.options.trials

    def next(self) -> Job | None:
        if self.stopped:
            return self.stopped.pop(0)
        lost = self._lost()
        if lost is not None or (len(self._trials()) < self.options.trials and self._has_time()):
            return self._drawn(lost)
        return self._retried(self.failed.pop(0)) if self.failed else None

    def tell(self, job: Job) -> Job:
        import optuna

        if job.state in _ENDED:
            self.seconds.append(job.seconds)
        if job.state in (State.STOPPED, State.RUNNING):
            return job  # the trial stays open
        frozen = self.study.get_trials(deepcopy=False)[int(job.trial or 0)]
        if frozen.state.is_finished():
            return job
        if job.state is State.FINISHED:
            self.study.tell(frozen.number, [job.values[name] for name in self.options.objectives])
            return job
        if job.error:
            optuna.trial.Trial(self.study, frozen._trial_id).set_user_attr("error", job.error)
        pruned = job.state is State.PRUNED
        self.study.tell(frozen.number, state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.FAIL)
        if not pruned:
            return job
        value = self.study.get_trials(deepcopy=False)[frozen.number].value
        values = {} if value is None or math.isnan(value) else {next(iter(self.options.objectives)): value}
        return replace(job, values=values)

    def told(self, job: Job) -> JobContext:
        options = self.options
        return JobContext(
            options.objectives, self.folder.name, options.name, options.storage, job.trial, options.pruner
        )

    def _has_time(self) -> bool:
        """Whether a trial as long as the median one still ends in time; the first always begins."""
        left, needed = self.end - time.monotonic(), statistics.median(self.seconds) if self.seconds else 0.0
        if not self.seconds or left >= needed:
            return True
        log.info(
            "no trial begins: one takes %.0f s, and of %g minutes %.0f s are left",
            needed,
            self.options.minutes,
            max(0, left),
        )
        return False

    def _trials(self) -> "list[optuna.trial.FrozenTrial]":
        """Those that count: a failed one that was repeated is one with its repetition."""
        trials = self.study.get_trials(deepcopy=False)
        repeated = {trial.user_attrs.get(_RETRIES) for trial in trials}
        return [trial for trial in trials if trial.number not in repeated]

    def _drawn(self, trial: "optuna.trial.Trial | None") -> Job:
        """Returns a new trial, or one whose sweep was killed before its parameters were written."""
        number = len(self.study.get_trials(deepcopy=False)) if trial is None else trial.number
        self.study.sampler = make_sampler(self.options.sampler, number)
        if trial is None and number == 0 and self.options.baseline:
            return self._baseline()
        trial = trial or self.study.ask()
        trial.set_user_attr(_SWEEP, self.owner)
        if _BASELINE in trial.user_attrs:
            return self._begun(trial.number, list(self.space.fixed.values()))
        try:
            values = {name: trial._suggest(name, distribution) for name, distribution in self.distributions.items()}
        except ValueError as error:
            raise SweepError(
                f"The study {self.options.name} has trials of another space: {error} Give another study with "
                "another name or folder; a choice that shuffle(...) draws anew each time is no space of a study."
            ) from error
        return self._begun(trial.number, self.space.words(values))

    def _begun(self, number: int, words: Sequence[str]) -> Job:
        self.known.add(number)
        return Job(number, words, "", trial=number)

    def _baseline(self) -> Job:
        """The trial that varies nothing."""
        return self._begun(self._add({_BASELINE: True, _SWEEP: self.owner}), list(self.space.fixed.values()))

    def _add(self, attributes: Mapping[str, Any], like: "optuna.trial.FrozenTrial | None" = None) -> int:
        """Adds a running trial with the parameters of another, or none; returns its number."""
        import optuna

        new = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=like.params if like else {},
            distributions=like.distributions if like else {},
            user_attrs=dict(attributes),
        )
        self.study.add_trial(new)
        trials = self.study.get_trials(deepcopy=False)
        return max(trial.number for trial in trials if trial.user_attrs == attributes)

    def _lost(self) -> "optuna.trial.Trial | None":
        """A trial that was begun for this sweep, which then was killed before a job was written down."""
        import optuna

        for frozen in self.study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            owner = frozen.user_attrs.get(_SWEEP)
            ours = owner == self.owner or (owner is None and (self.private or _age(frozen) > _ABANDONED))
            if ours and frozen.number not in self.known:
                return optuna.trial.Trial(self.study, frozen._trial_id)
        return None

    def _retried(self, job: Job) -> Job:
        """With a trial of the same parameters, as Optuna changes none that has ended."""
        old = self.study.get_trials(deepcopy=False)[int(job.trial or 0)]
        number = self._add({_RETRIES: old.number, _SWEEP: self.owner}, like=old)
        self.known.add(number)
        return replace(job, trial=number)


def make_sampler(node: Mapping[str, Any], number: int) -> Any:
    """The sampler for one trial, with a seed of that trial's."""
    from hydra.utils import instantiate

    seed = node.get("seed")
    if seed is not None and not str(node["_target_"]).endswith(_WHOLE):
        import numpy

        node = {**node, "seed": int(numpy.random.SeedSequence([int(seed), number]).generate_state(1)[0])}
    return instantiate(node, _convert_="all")


def open_storage(address: str) -> Any:
    """Optuna's storage behind an address; a file whose name ends in .log or .journal is a journal."""
    if not address.endswith(_JOURNALS):
        return address
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    Path(address).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(address, JournalFileOpenLock(address)))


def _age(trial: "optuna.trial.FrozenTrial") -> float:
    from datetime import datetime

    return (datetime.now() - trial.datetime_start).total_seconds() if trial.datetime_start else 0.0
