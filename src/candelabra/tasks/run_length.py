"""Length of a run in epochs and steps, as its trainer sets it."""

import math

import lightning as L

from candelabra.errors import CandelabraError


def count_epoch_steps(trainer: L.Trainer) -> int:
    """Optimizer steps in an epoch, at least 1; 1 where the data have no length."""
    batches = trainer.num_training_batches
    return max(1, math.ceil(batches / trainer.accumulate_grad_batches)) if math.isfinite(batches) else 1


def has_short_epochs(trainer: L.Trainer) -> bool:
    """Whether an epoch has fewer steps than `trainer.log_every_n_steps`: some would log no loss."""
    return count_epoch_steps(trainer) < trainer.log_every_n_steps  # type: ignore[attr-defined, no-any-return]


def is_written_step(trainer: L.Trainer) -> bool:
    """Whether loggers get the values of this step, which is not counted yet."""
    return (trainer.global_step + 1) % trainer.log_every_n_steps == 0  # type: ignore[attr-defined, no-any-return]


def is_logged_step(trainer: L.Trainer) -> bool:
    """Whether this step's losses are logged; of short epochs each is, and `EpochLossLog` writes the last."""
    return is_written_step(trainer) or has_short_epochs(trainer)


def count_epochs(trainer: L.Trainer) -> int:
    """Epochs of the run, rounded up where `trainer.max_steps` ends it.

    Raises:
        CandelabraError: nothing ends the run.
    """
    steps = trainer.estimated_stepping_batches
    if math.isinf(steps):
        raise CandelabraError(
            f"trainer.max_epochs={trainer.max_epochs} and trainer.max_steps={trainer.max_steps}: such a run has no "
            "end, and learning rates are planned as shares of the run; set epochs or trainer.max_steps."
        )
    return max(1, math.ceil(steps / count_epoch_steps(trainer)))
