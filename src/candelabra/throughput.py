"""How fast a run is, and how much of its time it waits for data."""

import time
from typing import Any

import lightning as L

from candelabra.types import count


class Throughput(L.Callback):
    """Measures training alone: images a second, and the share of the time between batches.

    Validation, checkpoints at the end of an epoch and the first batch of an epoch (workers start) are left out of
    neither images nor seconds but belong to `seconds`, the wall clock of the whole fit. A run that goes on counts on.
    """

    def __init__(self) -> None:
        self.images, self.training, self.waiting, self.seconds = 0, 0.0, 0.0, 0.0
        self.begun = self.left = time.perf_counter()
        self.before = 0.0

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begun = time.perf_counter()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.left = time.perf_counter()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.waiting += now - self.left
        self.training += now - self.left
        self.left = now

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.images += count(batch) * trainer.world_size
        self.training += now - self.left
        self.left = now

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = self.before + time.perf_counter() - self.begun

    def state_dict(self) -> dict[str, float]:
        spent = self.before + time.perf_counter() - self.begun
        return {"images": self.images, "training": self.training, "waiting": self.waiting, "seconds": spent}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.images, self.before = int(state_dict["images"]), state_dict["seconds"]
        self.training, self.waiting = state_dict["training"], state_dict["waiting"]

    def results(self) -> dict[str, float]:
        """seconds; images_per_second of training; data_wait, a share of training time, 0 to 1."""
        return {
            "seconds": round(self.seconds, 2),
            "images_per_second": round(self.images / self.training, 2) if self.training else 0.0,
            "data_wait": round(self.waiting / self.training, 4) if self.training else 0.0,
        }
