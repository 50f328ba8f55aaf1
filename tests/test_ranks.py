"""Two real processes: ranks stay equal under every strategy, and the command line starts both alike."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from functools import partial
import lightning as L, torch
from candelabra.backbones import Timm
from candelabra.data import Shapes
from candelabra.finetuning import Discriminative, Frozen, Full, Gradual
from candelabra.heads import Box, Label, Mask
from candelabra.tasks import MultiTask

class Compare(L.Callback):
    def on_train_epoch_end(self, trainer, task):
        flat = torch.cat([v.flatten().float() for v in task.state_dict().values() if v.is_floating_point()])
        both = task.all_gather(flat)
        if trainer.is_global_zero:
            print("EPOCH", trainer.current_epoch, "DIFFERENCE", float((both[0] - both[1]).abs().max()), flush=True)

L.seed_everything(0, verbose=False)
data = Shapes(count=64, size=32, canvas=32, batch_size=8, workers=0)
data.open()
whole = data.pipelines["train"]
def without_masks_on_rank_one(sample):
    sample = whole(sample)
    if torch.distributed.get_rank() == 1:
        sample["mask"].fill_(255)
    return sample
data.pipelines["train"] = without_masks_on_rank_one
task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, "box": Box, "mask": Mask},
    finetune=eval(sys.argv[1]), optimizer=partial(torch.optim.AdamW, lr=1e-2))
L.Trainer(max_epochs=3, accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true", logger=False,
    enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False,
    num_sanity_val_steps=0, callbacks=[Compare()]).fit(task, data)
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["Gradual()", "Frozen()", "Discriminative()", "Full(keep_statistics=False)"])
def test_ranks_are_equal_after_every_epoch_though_one_never_sees_a_mask(strategy: str, tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-W", "ignore", str(script), strategy]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    lines = [line.split() for line in run.stdout.splitlines() if line.startswith("EPOCH")]
    assert len(lines) == 3, run.stderr
    statistics = "keep_statistics=False" in strategy  # each rank's own running statistics, until DDP broadcasts them
    assert all(float(line[3]) == 0 for line in lines) or statistics


@pytest.mark.slow
def test_the_command_line_starts_both_ranks_with_one_config(tmp_path: Path) -> None:
    overrides = [
        "trainer=ddp",
        "trainer.accelerator=cpu",
        "trainer.devices=2",
        "backbone=test_resnet",
        "backbone.weights=none",
        "data.count=60",
        "data.size=32",
        "data.batch_size=8",
        "data.workers=0",
        "epochs=1",
        "hydra.run.dir=run",
    ]
    command = [sys.executable, "-m", "candelabra.cli", "train", *overrides]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "test/label/accuracy" in json.loads((tmp_path / "run" / "results.json").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    assert run.stdout.count("labelled images") == 1
