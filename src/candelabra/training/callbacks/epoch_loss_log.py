"""Logs the training losses once an epoch where epochs are shorter than the logging interval."""

import lightning as L

from candelabra.tasks.run_length import has_short_epochs


class EpochLossLog(L.Callback):
    """Logs the losses of the last step of an epoch that has fewer steps than `trainer.log_every_n_steps`."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if has_short_epochs(trainer) and trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            losses = {key: value for key, value in trainer.callback_metrics.items() if key.startswith("train/")}
            pl_module.log_dict(losses)
