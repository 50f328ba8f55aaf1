"""The loss of each tested sample."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from candelabra.types import count_samples


class SampleLosses(L.Callback):
    """Collects what `Task.test_step` returns: the losses of the samples of each head, in the order of the batches."""

    def __init__(self) -> None:
        self.batches: dict[str, list[Tensor]] = {}

    def on_test_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        for name, rows in batch["rows"].items():  # of a head without a label in this batch there is no output
            whole = torch.full((count_samples(batch),), torch.nan)
            if name in outputs:
                whole[rows.cpu()] = outputs[name].detach().float().cpu()
            self.batches.setdefault(name, []).append(whole)

    def compute(self) -> dict[str, Tensor]:
        """By head, the losses (n,) of all samples; NaN where one has no label for the head."""
        return {name: torch.cat(batches) for name, batches in self.batches.items()}
