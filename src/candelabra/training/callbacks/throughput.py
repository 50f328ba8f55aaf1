"""Throughput of training, and the share of time spent waiting for data."""

import logging
import time
from typing import Any

import lightning as L
import torch

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.workers import count_processors
from candelabra.types import count_samples

log = logging.getLogger(__name__)
_MUCH = 0.1  # share of waiting above which a warning is logged
_MUCH_IN_TURN = 0.3  # likewise without workers, where each batch is loaded and then trained on


class Throughput(L.Callback):
    """Measures training alone: images a second, and the share of the time between batches.

    Validation, checkpoints at the end of an epoch and the first batch of an epoch (workers start) are left out of
    neither images nor seconds but belong to `seconds`, the wall clock of the whole fit. A run that goes on counts on.
    Of each epoch `images_per_second` are logged, and the share of waiting, 0 to 1, as `data_wait`.
    """

    def __init__(self) -> None:
        self.images, self.training, self.waiting, self.seconds = 0, 0.0, 0.0, 0.0
        self.begun = self.left = time.perf_counter()
        self.before = 0.0
        self.earlier = (0.0, 0.0, 0)  # training, waiting and images, before this epoch
        self.warned = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begun = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.left = time.perf_counter()  # a run resumed in mid-epoch starts no epoch

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.left = time.perf_counter()
        self.earlier = (self.training, self.waiting, self.images)

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
        self.images += count_samples(batch) * trainer.world_size
        self.training += now - self.left
        self.left = now

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.left = time.perf_counter()  # in mid-epoch, no batch was waited for in the meantime

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        share = self.epoch_wait()
        pl_module.log_dict({"data_wait": share, "images_per_second": self.epoch_speed()})
        data = trainer.datamodule  # type: ignore[attr-defined]
        if self.warned or not trainer.is_global_zero or not isinstance(data, SampleDataModule):
            return
        if share > (_MUCH if data.count_workers() else _MUCH_IN_TURN):
            self.warned = True
            busy = torch.get_num_threads() if trainer.strategy.root_device.type == "cpu" else 1
            words = advise_on_throughput(data, count_processors(trainer.num_devices) - busy)
            log.warning("%.0f %% of this epoch went by waiting for data: %s", 100 * share, words)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = self.before + time.perf_counter() - self.begun

    def epoch_wait(self) -> float:
        """Share of this epoch so far spent waiting for data, 0 to 1."""
        training, waiting = self.training - self.earlier[0], self.waiting - self.earlier[1]
        return waiting / training if training else 0.0

    def epoch_speed(self) -> float:
        """Images per second of training in this epoch so far."""
        training = self.training - self.earlier[0]
        return (self.images - self.earlier[2]) / training if training else 0.0

    def state_dict(self) -> dict[str, float]:
        spent = self.before + time.perf_counter() - self.begun
        return {"images": self.images, "training": self.training, "waiting": self.waiting, "seconds": spent}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.images, self.before = int(state_dict["images"]), state_dict["seconds"]
        self.training, self.waiting = state_dict["training"], state_dict["waiting"]
        self.earlier = (self.training, self.waiting, self.images)

    def results(self) -> dict[str, float]:
        """seconds; images_per_second of training; data_wait, a share of training time, 0 to 1."""
        return {
            "seconds": round(self.seconds, 2),
            "images_per_second": round(self.images / self.training, 2) if self.training else 0.0,
            "data_wait": round(self.waiting / self.training, 4) if self.training else 0.0,
        }


def advise_on_throughput(data: SampleDataModule, spare: int) -> str:
    """Suggests options that reduce waiting for data.

    Args:
        data: of the run.
        spare: cores that no thread trains on.
    """
    words = [] if data.cached else ["data.cache=ram (or disk) reads each image once"]
    workers = data.count_workers()
    if workers < spare:
        words.append(f"data.workers={min(spare, max(2 * workers, 1))} prepares more of them at a time")
    elif spare < 1 and data.workers is not None:
        words.append("data.workers=null measures how many threads and workers are fastest together")
    return f"{', or '.join([*words, 'a smaller data.size makes them cheaper'])}."
