"""The context that a sweep gives a job, through the environment, and the job's access to its Optuna trial."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import optuna

TRIAL = "HYDRA_SWEEP_TRIAL"


@dataclass(frozen=True)
class JobContext:
    """What a job knows of its sweep.

    Attributes:
        objectives: `maximize` or `minimize`, by name.
        sweep: the name of its folder.
        study: its name; null in a grid, which has no trials.
        storage: of the study.
        trial: its number.
        pruner: a node that names Optuna's class; null where nothing is pruned.
    """

    objectives: Mapping[str, str]
    sweep: str
    study: str | None = None
    storage: str | None = None
    trial: int | None = None
    pruner: Mapping[str, Any] | None = None

    def words(self) -> str:
        """For the environment."""
        return json.dumps(asdict(self))


def read_job_context() -> JobContext | None:
    """Reads the context of this process; None if it is no job of a sweep."""
    words = os.environ.get(TRIAL)
    return JobContext(**json.loads(words)) if words else None


def current_trial() -> "optuna.trial.Trial | None":
    """The trial that this process runs, to `report` to and to ask `should_prune`; none where it is no trial.

    Raise `optuna.TrialPruned` to end early. In a run of several processes, ask in one alone and share the answer.
    """
    job = read_job_context()
    if job is None or job.study is None or job.trial is None:
        return None
    import optuna
    from hydra.utils import instantiate

    from ._study import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = instantiate(job.pruner) if job.pruner else optuna.pruners.NopPruner()
    study = optuna.load_study(study_name=job.study, storage=open_storage(str(job.storage)), pruner=pruner)
    return optuna.trial.Trial(study, study.get_trials(deepcopy=False)[job.trial]._trial_id)
