"""The two sides of `benchmarks.gpu`: a loop by hand, and our task in Lightning's trainer."""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import timm
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from candelabra.backbones import Timm
from candelabra.finetuning import Scratch
from candelabra.heads import Box, Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.compilation import compile_backbone
from candelabra.training.callbacks.finite_loss import FiniteLoss
from candelabra.training.callbacks.gradient_norm import GradientNormLog
from candelabra.training.callbacks.progress import EpochProgress
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.checkpointing import StepSeeding
from tests.data.builders import make_labels

WARM = 10  # steps that do not count: compilation, CUDA graphs, cuDNN's choice of kernels
CLASSES = 1000
Speed = Callable[[bool], float]  # with or without tuning -> images a second


@dataclass(frozen=True)
class Scale:
    """How much is measured, and on what."""

    name: str = "resnet50"
    side: int = 224
    batch: int = 256
    steps: int = 20
    device: str = "cuda"
    files: int = 14336
    workers: tuple[int, int] = (4, 14)
    runs: int = 2
    backend: str = "inductor"


DRY = Scale("test_resnet", 32, 4, 2, "cpu", 64, (0, 1), 1, "eager")


class Batches(Dataset[Any]):
    """A few drawn batches in turn, pinned: images and some of `label`, `box` and `mask`."""

    def __init__(self, scale: Scale, targets: Sequence[str]) -> None:
        self.length, side, count = scale.steps + WARM, scale.side, scale.batch
        make = torch.Generator().manual_seed(0)
        self.ready = []
        for _ in range(4):
            drawn = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=make)
            image = drawn.permute(0, 3, 1, 2)
            label = torch.randint(0, CLASSES, (count,), generator=make)
            box = torch.tensor([[0.2, 0.2, 0.6, 0.7]]).repeat(count, 1) * side
            drawn_targets = {"label": label, "box": box, "mask": (image[:, 0] > 127).to(torch.uint8)}
            batch = {"image": image, **{name: drawn_targets[name] for name in targets}}
            pin = scale.device == "cuda"
            self.ready.append({key: value.pin_memory() if pin else value for key, value in batch.items()})

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Any:
        if index >= self.length:
            raise IndexError
        return self.ready[index % len(self.ready)]


def wait(device: str) -> None:
    """Until the GPU has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


class Warm(L.Callback):
    """Times the steps after the first ones, from an idle GPU to an idle GPU."""

    def __init__(self, device: str) -> None:
        self.device, self.begun, self.seconds = device, 0.0, 0.0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        last = trainer.global_step == trainer.max_steps
        if trainer.global_step == WARM or last:
            wait(self.device)
        if trainer.global_step == WARM:
            self.begun = time.perf_counter()
        if last:
            self.seconds = time.perf_counter() - self.begun


def by_hand(scale: Scale, batches: Batches, compiled: bool) -> Speed:
    """A loop as one would write it for this network alone."""
    device = torch.device(scale.device)
    model: Any = timm.create_model(scale.name, num_classes=CLASSES)
    mean, std = (torch.tensor(model.pretrained_cfg[key], device=device).view(-1, 1, 1) for key in ("mean", "std"))
    model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-4, fused=True)

    def compute_loss(images: Tensor, label: Tensor) -> Tensor:
        pixels = ((images / 255 - mean) / std).contiguous(memory_format=torch.channels_last)
        return F.cross_entropy(model(pixels).float(), label)

    step: Any = torch.compile(compute_loss, backend=scale.backend) if compiled else compute_loss

    def run(tuned: bool) -> float:
        begun, torch.backends.cudnn.benchmark = 0.0, tuned
        for number, batch in enumerate(DataLoader(batches, batch_size=None)):
            if number == WARM:
                wait(scale.device)
                begun = time.perf_counter()
            image, label = (batch[key].to(device, non_blocking=True) for key in ("image", "label"))
            with torch.autocast(scale.device, torch.bfloat16):
                loss = step(image, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wait(scale.device)
        return scale.steps * scale.batch / (time.perf_counter() - begun)

    return run


def by_candelabra(scale: Scale, batches: Batches, heads: Sequence[str], mode: str | None) -> Speed:
    """Our task in Lightning's trainer, with what `candelabra train` puts around a step; a mode of torch.compile."""
    labels = make_labels(tuple(map(str, range(CLASSES))), box=True, mask_classes=("ground", "thing"))
    chosen: dict[str, Any] = {"label": Label, "box": Box, "mask": Mask}
    backbone = Timm(scale.name, weights="none")
    task = MultiTask(backbone, labels, {name: chosen[name] for name in heads}, finetune=Scratch(), scheduler=None)
    task.optimizer = lambda groups: torch.optim.AdamW(groups, lr=1e-4, fused=True)
    if mode:
        compile_backbone(task, batches.ready[0]["image"][0], mode, scale.backend)

    def run(tuned: bool) -> float:
        warm = Warm(scale.device)
        shown: list[L.Callback] = [LearningRateMonitor("step"), GradientNormLog(), FiniteLoss(), EpochProgress()]
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            trainer = L.Trainer(
                accelerator="gpu" if scale.device == "cuda" else "cpu",
                devices=1,
                benchmark=tuned,
                max_steps=scale.steps + WARM,
                max_epochs=-1,
                precision="bf16-mixed",
                logger=CSVLogger(folder, "", ""),
                callbacks=[StepSeeding(0), Throughput(), warm, *shown],
                log_every_n_steps=10,
                limit_val_batches=0,
                enable_model_summary=False,
                enable_checkpointing=False,
                use_distributed_sampler=False,
                default_root_dir=Path(folder),
            )
            trainer.fit(task, DataLoader(batches, batch_size=None))
        return scale.steps * scale.batch / warm.seconds

    return run
