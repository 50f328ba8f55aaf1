"""Stops a training whose loss is no number any more."""

from typing import Any

import lightning as L
import torch

from candelabra.errors import CandelabraError


class FiniteLoss(L.Callback):
    """Ends the run after some steps in a row with a loss that is infinite or no number (NaN).

    The loss is looked at in the steps that are logged, at most every `steps` steps, and at the end of an epoch: reading
    a value waits until the GPU has done all its work, and then the GPU waits for the next.
    All ranks see the same loss and stop together.

    Args:
        steps: in a row that are too many; of an epoch with fewer steps, all of them.
    """

    def __init__(self, steps: int = 5) -> None:
        self.steps = steps
        self.row: torch.Tensor | None = None  # () int64, steps without a finite loss up to now

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not isinstance(outputs, dict) or "loss" not in outputs:
            return
        loss = outputs["loss"].detach()
        row = torch.zeros((), dtype=torch.int64, device=loss.device) if self.row is None else self.row
        self.row = torch.where(torch.isfinite(loss), 0, row + 1)
        last = trainer.is_last_batch
        if trainer.global_step % max(self.steps, trainer.log_every_n_steps) and not last:  # type: ignore[attr-defined]
            return
        if int(self.row) >= (min(self.steps, batch_idx + 1) if last else self.steps):
            rates = sorted({float(group["lr"]) for each in trainer.optimizers for group in each.param_groups})
            raise CandelabraError(
                f"The loss is not finite ({float(loss):g}) in {int(self.row)} steps in a row, up to step "
                f"{trainer.global_step}: the training has diverged, at a learning rate of up to {rates[-1]:g}. Set a "
                "lower lr, trainer.gradient_clip_val=1 or trainer.precision=32-true; candelabra lr suggests a rate."
            )
