"""Two real processes: ranks stay equal under every strategy, and the command line starts both alike."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from tests.finetuning.runs import STRATEGIES

SCRIPT = """
from functools import partial
import lightning as L, torch
from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.finetuning import Full
from candelabra.heads import Box, Label, Mask
from candelabra.tasks import MultiTask
from tests.finetuning.runs import STRATEGIES

class Compare(L.Callback):
    def __init__(self, name):
        self.name = name
    def on_train_epoch_start(self, trainer, task):
        self.compare(trainer, task, "start", trainer.current_epoch)
    def on_train_end(self, trainer, task):
        self.compare(trainer, task, "end", trainer.current_epoch)
    def on_validation_epoch_end(self, trainer, task):
        self.compare(trainer, task, "validation", trainer.current_epoch)
    def compare(self, trainer, task, when, epoch):
        flat = torch.cat([v.flatten().double() for v in task.state_dict().values()])
        both = task.all_gather(flat)
        if trainer.is_global_zero:
            print("EQUAL", self.name, when, epoch, float((both[0] - both[1]).abs().max()), flush=True)

def without_masks_on_rank_one(sample):
    if torch.distributed.get_rank() == 1:
        sample["mask"].fill_(255)
    return sample

for name, strategy in {**STRATEGIES, "full_with_statistics": Full(keep_statistics=False)}.items():
    L.seed_everything(0, verbose=False)
    data = DataModule(Shapes(count=64, canvas=32), size=32, batch_size=8, workers=0)
    steps = data.plan.transforms["train"].steps
    data.replace_train_transforms(TransformPipeline([*steps, without_masks_on_rank_one], data.labels))
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, "box": Box, "mask": Mask},
        finetune=strategy, optimizer=partial(torch.optim.AdamW, lr=1e-2))
    start = {k: v.clone() for k, v in task.state_dict().items()}
    L.Trainer(max_epochs=3, accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true", logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        use_distributed_sampler=False, num_sanity_val_steps=0, check_val_every_n_epoch=2,
        callbacks=[Compare(name)]).fit(task, data)
    if torch.distributed.get_rank() == 0:
        print("MOVED", name, sum(not torch.equal(start[k], v) for k, v in task.state_dict().items()), flush=True)
"""


@pytest.mark.slow
def test_ranks_are_equal_after_every_epoch_of_every_strategy_though_one_never_sees_a_mask(tmp_path: Path) -> None:
    """Running statistics included, also after epochs without validation; one pair of processes runs them all."""
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-W", "ignore", str(script)]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=550, check=False, cwd=tmp_path, env=environment
    )
    assert run.returncode == 0, run.stderr
    differences: dict[str, list[float]] = {}
    for _, name, *_, difference in (line.split() for line in run.stdout.splitlines() if line.startswith("EQUAL")):
        differences.setdefault(name, []).append(float(difference))
    assert differences == {name: [0.0] * 5 for name in [*STRATEGIES, "full_with_statistics"]}
    moved = {line.split()[1]: int(line.split()[2]) for line in run.stdout.splitlines() if line.startswith("MOVED")}
    assert all(moved.values())
    assert moved.keys() == differences.keys()


WORDS = [
    "trainer=ddp",
    "trainer.accelerator=cpu",
    "trainer.devices=2",
    "backbone=test_resnet",
    "backbone.weights=none",
    "data.count=60",
    "data.size=32",
    "data.batch_size=8",
    "data.workers=0",
]


def train(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "candelabra", "train", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)


@pytest.mark.slow
def test_the_command_line_starts_both_ranks_with_one_config(tmp_path: Path) -> None:
    run = train(tmp_path, *WORDS, "epochs=1", "hydra.run.dir=run")
    assert run.returncode == 0, run.stderr
    assert "test/label/accuracy" in json.loads((tmp_path / "run" / "results.json").read_text())
    assert {path.name for path in tmp_path.iterdir()} - {"precision"} == {"run"}  # what was measured is kept
    assert run.stdout.count("labelled images") == 1


@pytest.mark.slow
def test_both_ranks_stop_at_one_signal_and_go_on_together(tmp_path: Path) -> None:
    words = [*WORDS, "task=classification", "finetune=gradual", "epochs=5", "save.minutes=0.001"]
    whole = train(tmp_path, *words, "hydra.run.dir=whole")
    assert whole.returncode == 0, whole.stderr
    command = [sys.executable, "-m", "candelabra", "train", *words, "hydra.run.dir=stopped"]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said)
    deadline = time.monotonic() + 200
    while not (tmp_path / "stopped" / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)  # to the first rank alone
    assert process.wait(60) == EXIT_INTERRUPTED, (tmp_path / "said").read_text()
    rest = train(tmp_path, "resume=stopped")
    assert rest.returncode == 0, rest.stderr
    first, second = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "stopped")
    )
    assert [key for key, value in first.items() if not torch.equal(value, second[key])] == []


@pytest.mark.slow
def test_rank_zero_alone_logs(tmp_path: Path) -> None:
    words = [
        *WORDS,
        "epochs=1",
        "trainer.log_every_n_steps=1",
        "logger=[tensorboard,wandb,mlflow]",
        "hydra.run.dir=runs/a",
    ]
    run = train(tmp_path, *words)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "runs" / "a"
    with (folder / "metrics.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file) if row["train/loss"]]
    assert len(steps) == len(set(steps)) > 0
    assert len(list(folder.glob("tensorboard/events*"))) == len(list(folder.glob("wandb/offline-run-*"))) == 1
    assert len(list((tmp_path / "runs" / "mlflow-artifacts").iterdir())) == 1
    assert "failed" not in run.stderr + run.stdout
