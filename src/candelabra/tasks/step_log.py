"""What is measured of training steps, for callbacks and loggers."""

from collections.abc import Mapping

import lightning as L
from torch import Tensor

from candelabra.tasks.run_length import is_written_step


class StepLog:
    """Logs losses and more of every `trainer.log_every_n_steps`-th step; what a step lacks keeps its last value.

    It gives them to callbacks and loggers itself, as Lightning's `LearningRateMonitor` does with rates: for two numbers
    `LightningModule.log` takes a millisecond, as long as all else that a step adds to a loop written by hand.
    """

    def __init__(self) -> None:
        self.values: dict[str, Tensor] = {}

    def add(self, trainer: L.Trainer, values: Mapping[str, Tensor]) -> None:
        """Keeps values () of a step; callbacks see them at once."""
        self.values |= {name: value.detach() for name, value in values.items()}
        trainer.callback_metrics.update(self.values)

    def write(self, trainer: L.Trainer) -> None:
        """Writes what is due, at the end of an optimizer's step.

        A checkpoint of this step is saved after that, and waits for metrics.csv: a killed run that goes on from it has
        the row. Lightning would write the row after the checkpoint.
        """
        if not (is_written_step(trainer) and trainer.loggers and self.values):
            return
        numbers = {name: float(value) for name, value in self.values.items()}
        for logger in trainer.loggers:
            logger.log_metrics({**numbers, "epoch": trainer.current_epoch}, step=trainer.global_step)

    def clear(self) -> None:
        """Forgets the values of an epoch."""
        self.values.clear()
