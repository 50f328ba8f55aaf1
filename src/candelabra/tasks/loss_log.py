"""The losses of training steps, for callbacks and loggers."""

from collections.abc import Mapping

import lightning as L
from torch import Tensor


class LossLog:
    """Logs the losses of every `trainer.log_every_n_steps`-th step; a head without a label there keeps its last one.

    It gives them to callbacks and loggers itself, as Lightning's `LearningRateMonitor` does with rates: for two numbers
    `LightningModule.log` takes a millisecond, as long as all else that a step adds to a loop written by hand.
    """

    def __init__(self) -> None:
        self.losses: dict[str, Tensor] = {}
        self.due = False

    def begin_step(self, trainer: L.Trainer) -> None:
        """Notes, before the optimizer's step, whether the losses of this step are to be written."""
        self.due = (trainer.global_step + 1) % trainer.log_every_n_steps == 0  # type: ignore[attr-defined]

    def add(self, trainer: L.Trainer, losses: Mapping[str, Tensor]) -> None:
        """Keeps the losses of a batch; callbacks see them at once."""
        self.losses |= {name: loss.detach() for name, loss in losses.items()}
        trainer.callback_metrics.update(self.losses)

    def end_batch(self, trainer: L.Trainer) -> None:
        """Writes what is due."""
        if self.due and trainer.loggers:
            numbers = {name: float(loss) for name, loss in self.losses.items()}
            for logger in trainer.loggers:
                logger.log_metrics({**numbers, "epoch": trainer.current_epoch}, step=trainer.global_step - 1)
        self.due = False

    def end_epoch(self) -> None:
        """Forgets the losses of heads."""
        self.losses.clear()
