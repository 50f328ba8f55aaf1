"""Averaged weights (Polyak & Juditsky 1992) that are measured, calibrated and saved."""

from typing import Any, final

import lightning as L
from lightning.pytorch.callbacks import EMAWeightAveraging


@final
class AveragedWeights(EMAWeightAveraging):
    """Lightning's exponential moving average, in place of the trained weights until a validation has ended.

    Lightning puts the trained weights back before the task's own `on_validation_epoch_end`, which fits temperatures and
    score thresholds to what was measured: they would go to the trained weights, and the averaged ones are saved.
    """

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        return

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        super().on_validation_epoch_end(trainer, pl_module)
