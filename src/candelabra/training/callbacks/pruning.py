"""Pruning of a run that is a trial of a sweep."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import lightning as L

from candelabra.errors import CandelabraError, list_nearest
from hydra_plugins.candelabra_sweeper import current_trial, read_job_context

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)
RUN_METRICS = ("milliseconds_per_image", "parameters", "seconds")  # allowed as objectives beside validation metrics


class TrialPruning(L.Callback):
    """Reports a metric to the study after each validation, and ends the run if the pruner decides so.

    Only rank zero accesses the study; all ranks end together. If the study is unreachable, the run continues unpruned.

    Args:
        metric: of validation.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.trial: optuna.trial.Trial | None = None
        self.epoch = -1

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            try:
                self.trial = current_trial()
            except Exception as error:  # as below
                self._disable(error)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or trainer.current_epoch == self.epoch:
            return
        self.epoch = trainer.current_epoch
        prune = trainer.is_global_zero and self._should_prune(float(trainer.callback_metrics[self.metric]))
        if trainer.strategy.broadcast(prune):
            import optuna

            raise optuna.TrialPruned(f"pruned after epoch {self.epoch}: others had a better {self.metric} by then")

    def _should_prune(self, value: float) -> bool:
        if self.trial is None:
            return False
        try:
            self.trial.report(value, self.epoch)
            return self.trial.should_prune()
        except Exception as error:  # a database that is busy or gone
            self._disable(error)
            return False

    def _disable(self, error: Exception) -> None:
        log.warning("the study does not answer (%s); this run goes on unpruned", error)
        self.trial = None


def make_pruning(measured: Sequence[str]) -> list[L.Callback]:
    """Returns the pruning callback of a job of a sweep; an empty list for other runs.

    Args:
        measured: metrics of validation.

    Raises:
        CandelabraError: an objective of the sweep is not measured, or cannot be used for pruning.
    """
    job = read_job_context()
    if job is None:
        return []
    known = [*measured, *RUN_METRICS]
    for name in job.objectives:
        if name not in known:
            raise CandelabraError(
                f"sweep.objectives: {name} is not measured here; allowed are {list_nearest(name, known)}."
            )
    if job.pruner is None:
        return []
    name = next(iter(job.objectives))
    if name not in measured:
        raise CandelabraError(
            f"sweep/pruner compares what validation measures, and {name} is known at the end alone; leave the pruner "
            "out."
        )
    return [TrialPruning(name)]
