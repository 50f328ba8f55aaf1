"""On a GPU: runs learn, resume and predict elsewhere, and a training step does not wait for the device."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image

from candelabra import Model
from candelabra.backbones import Timm
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Scratch
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.runs.run_config import read_run_config
from candelabra.tasks import MultiTask
from candelabra.training.callbacks.epoch_loss_log import EpochLossLog
from candelabra.training.callbacks.finite_loss import FiniteLoss
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.checkpointing import StepSeeding
from tests.conftest import Compose

# Lightning and torch warn of processors and deprecations of the machine at hand.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

SMALL = ("trainer=gpu", "data.size=32", "data.count=120", "epochs=2")
LEARN = ("trainer=gpu", "data.size=32", "data.count=400", "epochs=5", "lr=0.01", "scheduler=one_cycle")


def results(folder: Path) -> dict[str, float]:
    read: dict[str, float] = json.loads((folder / "train" / "results.json").read_text())
    return read


@pytest.mark.parametrize(
    ("words", "precision"),
    [
        (["trainer.precision=auto"], "bf16-mixed"),
        (["trainer.precision=32-true"], "32-true"),
        pytest.param(["trainer.precision=auto", "compile=true"], "bf16-mixed", marks=pytest.mark.slow),
    ],
)
def test_a_run_learns(words: list[str], precision: str, tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*LEARN, *words))
    found = results(tmp_path)
    assert found["test/mask/iou"] > 0.6
    assert found["test/box/iou"] > 0.3
    assert read_run_config(tmp_path / "train")["trainer"]["precision"] == precision


@pytest.mark.parametrize(
    "words",
    [
        ["balance=pcgrad"],
        ["balance=uncertainty", "trainer.precision=16-mixed"],
        ["finetune=frozen", "data.augment=none"],
        ["finetune=probe", "data.augment=none", "task=classification"],
        ["data.mixup=0.4", "data.multiscale=[0.5,1.5]", "task=classification", "data.size=64"],
        ["data.labelled={label:0.2,box:0.5,mask:0.5}", "data.workers=2", "ema=0.9"],
        pytest.param(["compile=true", "balance=pcgrad", "trainer.precision=auto"], marks=pytest.mark.slow),
    ],
    ids=lambda words: words[0],
)
def test_what_a_cpu_trains_a_gpu_trains(words: list[str], tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, *words))
    assert "test/label/accuracy" in results(tmp_path)


@pytest.mark.parametrize("task", ["detection", "detection head@task.boxes=faster_rcnn", "instances"])
def test_a_gpu_trains_on_lists_of_objects(task: str, tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "data=many_shapes", *f"task={task}".split()))
    assert any(name.endswith("map50") for name in results(tmp_path))


def test_a_resumed_run_ends_where_a_whole_one_does(tiny: Compose, tmp_path: Path) -> None:
    run = tmp_path / "train"
    # Sums on a GPU have no fixed order, and Adam makes a whole step of any difference.
    run_train(tiny(*SMALL, "optimizer=sgd", "save.steps=3", "save.keep=9"))
    last = run / "checkpoints" / "last.ckpt"
    whole = torch.load(last, weights_only=True)["state_dict"]
    earlier = run / "checkpoints" / "step-00000006.ckpt"
    assert torch.load(earlier, weights_only=True)["state_dict"]["heads.label.layers.0.weight"].is_cuda
    earlier.replace(last)
    for other in run.glob("checkpoints/step-*.ckpt"):
        other.unlink()
    run_train(tiny(f"resume={run}", f"folder={run}"))
    again = torch.load(last, weights_only=True)["state_dict"]
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, atol=1e-3, rtol=1e-3)


def test_a_run_predicts_on_a_cpu_what_it_predicts_on_the_gpu(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "task=classification"))
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(photo)
    code = "m = candelabra.Model(sys.argv[1]); print(m.device, m.embed(sys.argv[2]).tolist())"
    elsewhere = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys, candelabra; {code}", str(tmp_path / "train"), str(photo)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    device, vectors = elsewhere.stdout.split(maxsplit=1)
    assert device == "cpu"
    here = Model(tmp_path / "train")
    assert here.device.type == "cuda"
    assert here.embed(str(photo)) == pytest.approx(np.array(json.loads(vectors)), abs=0.02)


class RefuseWaiting(L.Callback):
    """Makes every wait for the GPU an error, between the ends of two steps; looks where batches lie before."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.checked = 0

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.first:
            torch.cuda.set_sync_debug_mode("error")
        self.checked += torch.cuda.get_sync_debug_mode() == 2
        if trainer.global_step == self.last:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize(
    "options", [{}, {"labelled": 0.5}, {"mixup": 0.4}, {"multiscale": (0.5, 1.5)}], ids=lambda options: str([*options])
)
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_a_step_does_not_wait_for_the_gpu(precision: str, options: dict[str, Any], tmp_path: Path) -> None:
    data = DataModule(Shapes(count=480, canvas=64), size=64, batch_size=16, workers=2, augment="light", **options)
    others = {} if "mixup" in options else {"box": Box, "keypoints": Keypoints, "mask": Mask}
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, **others}, finetune=Scratch())
    task.optimizer = lambda groups: torch.optim.AdamW(groups, lr=1e-3, fused=True)
    refuse = RefuseWaiting(3, 8)
    trainer = L.Trainer(
        accelerator="gpu",
        devices=1,
        max_epochs=1,
        precision=precision,
        logger=False,
        callbacks=[refuse, StepSeeding(0), Throughput(), FiniteLoss(50), EpochLossLog()],
        log_every_n_steps=20,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    try:
        trainer.fit(task, data)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert refuse.checked == 6


def test_batches_lie_in_pinned_memory_for_a_gpu_alone(tmp_path: Path) -> None:
    pinned = {}
    for accelerator in ("cpu", "gpu"):
        data = DataModule(Shapes(count=60, canvas=32), size=32, batch_size=8, workers=0)
        data.trainer = L.Trainer(accelerator=accelerator, devices=1, logger=False, default_root_dir=tmp_path)
        batch = next(iter(data.train_dataloader()))
        pinned[accelerator] = {batch[key].is_pinned() for key in ("image", "label", "mask")}
        assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert pinned == {"cpu": {False}, "gpu": {True}}
