"""Trains every task on so many processes: python -m tests.training.ranks <processes> <folder of results> [cases].

One process trains several times: with a seed other than 0 its initial weights are rounded otherwise, which shows what
rounding alone does to the result. Two take half of each of its batches. The sets are odd, so that the last batches are
short and cannot be divided.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from candelabra.backbones import Timm
from candelabra.data import BlurredDigits, Reader, RenderedShapes, Shapes
from candelabra.data.loading.datamodule import DataModule
from candelabra.finetuning import FineTuning, Full, Gradual, Scratch
from candelabra.heads import Box, Depth, Flow, Keypoints, Label, Mask, Ordinal, Pooled, Projector, Value
from candelabra.tasks import (
    Classification,
    ImageReconstruction,
    Localization,
    MetricLearning,
    MultiTask,
    Pretraining,
    Segmentation,
    Task,
)
from candelabra.tasks import Keypoints as KeypointsTask
from candelabra.tasks.image_corruption import ImageChange
from candelabra.tasks.image_views import ImageViews
from candelabra.training.ddp import DdpStrategy, SyncBatchNormPlugin
from candelabra.training.fsdp import FsdpStrategy
from candelabra.types import Sample
from tests.rounding import perturb_weights

BATCH, EPOCHS = 16, 2
ROUNDING, SUM_ROUNDING = 1e-7, 1e-6  # relative; of a number, and of sums over a batch in another order
ALL = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": Mask}


@dataclass(frozen=True)
class Case:
    """What is trained."""

    task: Callable[..., Task]
    data: dict[str, Any] = field(default_factory=dict)
    finetune: FineTuning = field(default_factory=Scratch)
    steps: int = 1  # batches of each process that one step takes together
    ema: bool = False
    reader: Callable[..., Reader] = Shapes
    strategy: Callable[[], ParallelStrategy] = DdpStrategy


NUMBERS = {"value": Value, "depth": partial(Depth, gradient_weight=0.5)}  # scales of labels are those of all ranks
BALANCED = {name: partial(ALL[name], class_weights="balanced") for name in ("label", "mask")}
HALF = {"label": 0.5, "mask": 0.25}  # some batches of a process have no mask, some one
CASES = {
    "classification": Case(Classification),
    "localization": Case(Localization),
    "keypoints": Case(KeypointsTask),
    "pooled": Case(partial(KeypointsTask, keypoints=partial(Keypoints, coordinates=Pooled))),
    "segmentation": Case(Segmentation),
    "multitask": Case(partial(MultiTask, heads=ALL), {"labelled": HALF, "targets": ["label", "mask"]}),
    "balanced": Case(partial(MultiTask, heads=BALANCED), {"targets": ["label", "mask"]}),
    "ema": Case(partial(MultiTask, heads=ALL), ema=True),
    "thawing": Case(partial(MultiTask, heads=ALL), finetune=Gradual(keep_statistics=False)),
    "accumulated": Case(partial(MultiTask, heads={"label": Label}), finetune=Full(keep_statistics=True), steps=2),
    "sharded": Case(partial(MultiTask, heads=ALL), strategy=partial(FsdpStrategy, smallest=1000)),
    "numbers": Case(
        partial(MultiTask, heads=NUMBERS), {"labelled": {"value": 0.5, "depth": 0.25}}, reader=RenderedShapes
    ),
    "flow": Case(
        partial(MultiTask, heads={"flow": Flow}),
        {"labelled": {"flow": 0.5}, "targets": ["flow"]},
        reader=partial(RenderedShapes, flow=True),
    ),
    "ordinal": Case(
        partial(MultiTask, heads={"ordinal": Ordinal}),
        {"fraction": 0.04},
        reader=lambda count, canvas: BlurredDigits(canvas=canvas),
    ),
    "embedding": Case(MetricLearning, {"labelled": {"label": 0.25}}),  # some batches of a process have no label
    "per_class": Case(MetricLearning, {"sampler": "8_per_class"}),
    "reconstruction": Case(ImageReconstruction),
    "pretraining": Case(partial(Pretraining, projector=partial(Projector, hidden=[64]))),
    "mixup": Case(Classification, {"mixup": 0.4}, Full(keep_statistics=True)),
}


class SameViews(ImageChange):
    """An image and its mirror image, in evaluation the image again."""

    def __call__(self, images: Tensor, training: bool = True) -> Tensor:
        return torch.stack([images, images.flip(-1), *([] if training else [images])], 1)


def train_case(name: str, devices: int, seed: int, folder: Path) -> None:
    """One case."""
    case = CASES[name]
    L.seed_everything(0, verbose=False)
    batch = BATCH // devices // (case.steps if devices > 1 else 1)
    data = DataModule(
        case.reader(count=75, canvas=32), size=32, batch_size=batch, workers=0, val=0.2, test=0.2, **case.data
    )
    task = case.task(
        _backbone(seed),
        data.labels,
        finetune=case.finetune,
        optimizer=partial(torch.optim.SGD, lr=0.01, momentum=0.9),
        scheduler=None,
    )
    if isinstance(task.image_change, ImageViews):
        task.image_change = SameViews()  # each process draws other views
    blended = "mixup" in case.data
    trainer = L.Trainer(
        max_epochs=1 if blended else EPOCHS,
        accelerator="cpu",
        devices=devices,
        strategy=case.strategy() if devices > 1 else "auto",
        accumulate_grad_batches=2 if blended and devices == 1 else case.steps if devices > 1 else 1,
        callbacks=[Ranks(name), *([EMAWeightAveraging(decay=0.9)] if case.ema else [])],
        plugins=[SyncBatchNormPlugin()] if devices > 1 else [],
        gradient_clip_val=1.0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    if blended and devices == 1:
        data.open()
        trainer.fit(task, DataLoader(list(_halves(data)), batch_size=None), data.val_dataloader())
    else:
        trainer.fit(task, data)
    measured = dict(trainer.callback_metrics)
    state = trainer.strategy.lightning_module_state_dict()
    weights = {key: value.clone() for key, value in state.items() if not key.endswith("tracked")}
    trainer.test(task, datamodule=data, verbose=False)
    measured |= dict(trainer.callback_metrics)
    if trainer.is_global_zero:
        found = {key: torch.as_tensor(value) for key, value in measured.items() if not key.startswith("train/")}
        torch.save(
            {"weights": weights, "measured": found, "tables": task.tables}, folder / f"{name}-{devices}-{seed}.pt"
        )


def _backbone(seed: int) -> Timm:
    backbone = Timm("test_resnet", weights="none")
    if seed:
        perturb_weights(backbone, seed, ROUNDING if seed == 1 else SUM_ROUNDING)
    return backbone


def _halves(data: DataModule) -> Iterable[Sample]:
    """What two processes would be served, in turn: images are blended with those of the same process."""
    prepared = data.dataset("train")
    each = [data.plan.orders["train"].batches(0, BATCH // 2, rank, 2) for rank in (0, 1)]
    for number, halves in enumerate(zip(*each, strict=True)):
        for keys in halves:
            yield data.batchwise(default_collate([prepared[key] for key in keys.tolist()]), 0, number)


class Ranks(L.Callback):
    """Prints how far the ranks are apart after training."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if isinstance(trainer.strategy, FsdpStrategy):
            return  # each has a part
        flat = torch.cat([value.flatten().double() for value in pl_module.state_dict().values()])
        every = pl_module.all_gather(flat).view(trainer.world_size, -1)
        if trainer.is_global_zero:
            print("APART", self.name, float((every[0] - every[-1]).abs().max()), flush=True)


def fork_ranks(count: int) -> int:
    """Turns this process into ranks as torchrun starts them, but with all libraries loaded, and returns its child.

    The child gets 0, and so does one process alone.
    """
    if count == 1:
        return 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "WORLD_SIZE": f"{count}", "GROUP_RANK": "0"}
    os.environ |= {"TORCHELASTIC_RUN_ID": "tests", "LOCAL_WORLD_SIZE": f"{count}"}
    child = os.fork()
    rank = "0" if child else "1"
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
    return child


if __name__ == "__main__":
    torch.set_num_threads(1)
    other = fork_ranks(int(sys.argv[1]))
    for each in sys.argv[3:] or CASES:
        train_case(each, int(sys.argv[1]), 0, Path(sys.argv[2]))
    if other:
        assert os.waitpid(other, 0)[1] == 0
