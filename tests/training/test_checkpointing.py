"""Checkpoints and validations within an epoch."""

import csv
from pathlib import Path

import lightning as L
import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.training.checkpointing import StepSeeding
from tests.conftest import Compose

SMALL = ("task=classification", "data.count=80", "data.batch_size=8", "data.size=32", "data.augment=none")
WATCHED = ("scheduler.warmup=0", "scheduler.patience=0", "monitor=val/loss", "lr=1e-9", "finetune=full", "epochs=2")


def read_column(run: Path, name: str) -> list[tuple[int, str]]:
    with (run / "metrics.csv").open() as file:
        return [(int(row["step"]), row[name]) for row in csv.DictReader(file) if row.get(name)]


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_a_validation_within_an_epoch_is_neither_lost_nor_repeated(
    every: int, tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*SMALL, "scheduler=plateau", *WATCHED, f"+trainer.val_check_interval={every}", f"save.steps={every}"]
    run_train(tiny(*words, f"folder={tmp_path / 'whole'}"))
    with monkeypatch.context() as patch:
        patch.setattr(StepSeeding, "on_train_batch_start", stop_at(4))
        with pytest.raises(RuntimeError, match="stopped"):
            run_train(tiny(*words, f"folder={tmp_path / 'stopped'}"))
    run_train(tiny(f"resume={tmp_path / 'stopped'}"))
    whole, resumed = tmp_path / "whole", tmp_path / "stopped"
    for name in ("val/loss", "lr-AdamW/heads"):
        assert read_column(resumed, name) == read_column(whole, name)
    assert len({rate for _, rate in read_column(whole, "lr-AdamW/heads")}) > 1  # it has fallen
    best = [torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["global_step"] for run in (whole, resumed)]
    assert best[0] == best[1]


def stop_at(step: int) -> object:
    def stop(self: StepSeeding, trainer: L.Trainer, *rest: object) -> None:
        if trainer.fit_loop.total_batch_idx == step:
            raise RuntimeError("stopped")

    return stop


@pytest.mark.parametrize("steps", [3, 9])
def test_steps_after_the_last_whole_epoch_are_validated(steps: int, tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*SMALL, "finetune=scratch", f"trainer.max_steps={steps}"))
    run = tmp_path / "train"
    *in_training, _ = read_column(run, "val/loss")  # the last is that of the best checkpoint
    assert [step for step, _ in in_training] == [6, steps - 1][steps < 7 :]
    last = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == steps
    state = next(value for key, value in last["callbacks"].items() if "BestCheckpoint" in key)
    assert state["best_model_score"] is not None
    assert (run / "checkpoints" / "best.ckpt").is_file()
