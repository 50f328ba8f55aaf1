"""The sweeper of Hydra: makes a plan from the command line, and runs its jobs."""

import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from ._continuing import continue_sweep, override_key
from ._errors import SweepError
from ._folders import await_orphans, hold_folder, job_folder
from ._grid import GridPlan
from ._jobs import SWEEP, Job, State, Sweep, read_sweep, write_sweep
from ._launcher import ProcessLauncher, current_program, hydra_flags, resume_overrides
from ._objectives import check_objectives, read_objectives
from ._pictures import illustrate
from ._plan import SweepPlan
from ._record import JobRecord
from ._returned import STOPPED
from ._running import BatchWorker, JobRunner, ProcessWorker
from ._space import SearchSpace, parse_search_space

log = logging.getLogger("sweep")
_OF_THIS_TIME = ("hydra.sweeper.retry", "hydra.sweep.dir", "hydra.mode")  # no part of what a sweep is


@final
class CandelabraSweeper(Sweeper):
    """Runs a grid, or an Optuna study where a sampler is named; a failed job is written down, and the rest goes on.

    A sweep whose folder holds its beginning goes on with it. It exits with 0, with 1 where a job has failed, or with 75
    where a signal stopped it.

    Args:
        space: values by key, in the grammar of overrides; what is typed goes before it.
        objectives: names of a job's results, each with what is sought: `score:maximize`.
        allowed: patterns of names that may be objectives.
        trials: of a study, failed and pruned ones included.
        workers: jobs at once.
        study: its name; null takes that of the folder.
        storage: an address of Optuna's, or a journal file; null is an SQLite file in the sweep's folder.
        own: keys of the config that tell of the sweep, not of its jobs.
        local: patterns of keys that may have other values on each machine of a study.
        program: what this Python is given before the words of a job; null is what was given to this process.
        again: see `ProcessLauncher`.
        begun: likewise.
        retry: numbers of failed jobs to run again.
        retrying: how one does that, `{folder}` and `{numbers}`; said at the end.
        baseline: whether the first trial of a study varies nothing.
        minutes: that a study may take: no trial begins that would not end in time; null sets no limit.
        keeping: the command of a job by itself, `{words}`; said at the end of the best one.
        installing: how Optuna and what its samplers need are installed; said where they are not.
        sampler: a node that names one of Optuna's samplers; null makes a grid.
        pruner: likewise one of its pruners; null prunes nothing.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        objectives: Sequence[str] | Mapping[str, str],
        allowed: Sequence[str],
        trials: int,
        workers: int,
        study: str | None,
        storage: str | None,
        own: Sequence[str],
        local: Sequence[str],
        program: Sequence[str] | None,
        again: Sequence[str],
        begun: str | None,
        retry: Sequence[int],
        retrying: str,
        baseline: bool,
        minutes: float | None,
        keeping: str,
        installing: str,
        sampler: Mapping[str, Any] | None = None,
        pruner: Mapping[str, Any] | None = None,
    ) -> None:
        self.sampler, self.pruner = _plain(sampler), _plain(pruner)
        self.space, self.objectives, self.allowed = dict(space or {}), read_objectives(objectives), list(allowed)
        self.trials, self.workers, self.study, self.storage = trials, workers, study, storage
        self.own, self.local, self.retry, self.retrying = tuple(own), tuple(local), list(retry), retrying
        self.baseline, self.minutes, self.keeping, self.installing = baseline, minutes, keeping, installing
        self.program = None if program is None else [str(word) for word in program]
        self.again, self.begun = [str(word) for word in again], begun
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None
        self.launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra.core.plugins import Plugins

        self.hydra_context, self.config = hydra_context, config
        self._refuse()
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Job]:
        assert self.config is not None
        assert self.hydra_context is not None
        folder = Path(str(self.config.hydra.sweep.dir))
        words = [word for word in arguments if override_key(word).replace("/", ".").split(".")[0] not in self.own]
        for word in OverridesParser.create().parse_overrides([word for word in arguments if word not in words]):
            if word.is_sweep_override():
                raise SweepError(
                    f"{word.input_line} tells of the sweep, which has one value of it; quote what is to be a space "
                    "('sweep.space.lr=\"interval(...)\"'), or type it without sweep.space (lr=interval(...))."
                )
        space = parse_search_space(self.space, words, self.hydra_context.config_loader)
        with hold_folder(folder):
            jobs = continue_sweep(folder, self._described(folder), self.own)
            if not jobs:
                for sample in space.samples():
                    job_folder(self.config, self.hydra_context, sample, 0)
            await_orphans(jobs, folder)
            plan = self._plan(space, folder, jobs)
            write_sweep(self._described(folder, plan.total()), folder)
            record = JobRecord(folder, plan, jobs, list(space.fixed.values()), self.objectives)
            bound = "" if self.minutes is None else f" at most, in {self.minutes:g} minutes"
            log.info("%s: %d jobs%s, %d at once", folder, plan.total(), bound, self.workers)
            stopped = self._runner(folder).run(plan, record)
            self._close(record, stopped)
        return list(record.jobs.values())

    def _refuse(self) -> None:
        # In setup, not in a callback: Hydra swallows exceptions of callbacks.
        check_objectives(self.objectives, self.allowed)
        if self.trials < 1 or self.workers < 1:
            raise SweepError(f"trials={self.trials} and workers={self.workers} must be at least 1.")
        if self.minutes is not None and (self.minutes <= 0 or self.sampler is None):
            raise SweepError(
                f"minutes={self.minutes} must be above 0, and bounds a study: name a sampler, as a grid has none."
            )
        self._require_packages()
        if self.pruner and self.sampler is None:
            raise SweepError("A pruner compares the trials of a study, and a grid has none; name a sampler as well.")
        if self.pruner and len(self.objectives) > 1:
            raise SweepError(
                f"A pruner needs one objective, and there are {len(self.objectives)} ({', '.join(self.objectives)}); "
                "leave the pruner out, or keep one objective."
            )

    def _require_packages(self) -> None:
        if self.sampler is None:
            return
        name = str(self.sampler["_target_"]).rpartition(".")[2]
        for package in ("optuna", "cmaes") if name == "CmaEsSampler" else ("optuna",):
            if find_spec(package) is None:
                raise SweepError(f"The sampler {name} needs the package {package}; install it with {self.installing}.")

    def _described(self, folder: Path, total: int | None = None) -> Sweep:
        assert self.config is not None
        overrides = self.config.hydra.overrides
        typed = [*overrides.task, *(word for word in overrides.hydra if override_key(word) not in _OF_THIS_TIME)]
        program, place = [sys.executable, *(self.program or current_program()), *hydra_flags()], str(Path.cwd())
        if self.sampler is None:
            return Sweep(program, typed, self.objectives, total=total, place=place)
        name = str(self.sampler["_target_"]).rpartition(".")[2]
        return Sweep(program, typed, self.objectives, name, self._name(folder), self._storage(folder), total, place)

    def _plan(self, space: SearchSpace, folder: Path, jobs: Sequence[Job]) -> SweepPlan:
        if self.sampler is None:
            return GridPlan(space, folder.name, self.objectives, jobs, self.retry)
        from ._study import StudyOptions, StudyPlan

        options = StudyOptions(
            self._name(folder),
            self._storage(folder),
            self.sampler,
            self.pruner,
            self.objectives,
            self.trials,
            self.baseline,
            self.minutes,
            self.local,
        )
        return StudyPlan(space, options, folder, jobs, self.retry)

    def _runner(self, folder: Path) -> JobRunner:
        assert self.launcher is not None
        names, needed = list(self.objectives), self.sampler is not None
        if isinstance(self.launcher, ProcessLauncher):
            return ProcessWorker(self.launcher, self._folder_of, names, needed)
        size = None if self.sampler is None else self.workers
        again = partial(resume_overrides, again=self.again, begun=self.begun)
        return BatchWorker(self.launcher, self._folder_of, folder, size, names, needed, again)

    def _folder_of(self, job: Job) -> Path:
        assert self.config is not None
        assert self.hydra_context is not None
        return job_folder(self.config, self.hydra_context, job.words, job.number)

    def _name(self, folder: Path) -> str:
        """The study of this folder, from sweep.json: a name that contains ${now:...} would change on each start."""
        before = read_sweep(folder).study if (folder / SWEEP).is_file() else None
        return before or self.study or folder.name

    def _storage(self, folder: Path) -> str:
        return self.storage or f"sqlite:///{(folder / 'study.db').resolve()}"

    def _close(self, record: JobRecord, stopped: int) -> None:
        """Says what came of it, lets others know, and exits where not all is well."""
        assert self.config is not None
        assert self.hydra_context is not None
        log.info("%s", record.summary())
        best = record.best()
        if best is not None:
            log.info("to keep it: %s", self.keeping.format(words=shlex.join(best.words)))
        failed = record.failed()
        illustrate(record.folder)
        if stopped:
            log.info("stopped; the same command with hydra.sweep.dir=%s goes on", record.folder)
            sys.exit(STOPPED)
        if failed:
            numbers = ",".join(map(str, failed))
            log.warning("failed: %s; %s", numbers, self.retrying.format(folder=record.folder, numbers=numbers))
            self.hydra_context.callbacks.on_multirun_end(config=self.config, config_name=None)
            sys.exit(1)
        paused = [str(job.number) for job in record.jobs.values() if job.state is State.STOPPED]
        if paused:
            said = "stopped by themselves: %s; the same command with hydra.sweep.dir=%s goes on with them"
            log.warning(said, ",".join(paused), record.folder)
            sys.exit(STOPPED)


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
