"""Losses of training steps reach callbacks and loggers, once for each optimizer step that is logged."""

import csv
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger

from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.heads import Box, Label
from candelabra.tasks import MultiTask
from tests.finetuning.runs import trainer as make_trainer


class Losses(L.Callback):
    """What a callback, such as one that saves checkpoints, sees at the end of each batch: losses, and rows of a log."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self.rows: dict[int, int] = {}

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self.seen.append((trainer.global_step, float(trainer.callback_metrics.get("train/loss", -1))))
        self.rows[trainer.global_step] = len(trainer.logger.experiment.metrics)  # type: ignore[union-attr]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_every_second_step_is_logged_once_with_the_losses_of_all_heads(accumulated: int, tmp_path: Path) -> None:
    data = DataModule(Shapes(count=100, canvas=32), size=32, batch_size=8, workers=0)
    task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, "box": Box})
    losses = Losses()
    options = {"log_every_n_steps": 2, "accumulate_grad_batches": accumulated, "limit_val_batches": 0}
    trainer = make_trainer(2, tmp_path, logger=CSVLogger(tmp_path, "", ""), callbacks=[losses], **options)
    trainer.fit(task, data)
    with (tmp_path / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    steps = trainer.global_step // 2 * 2
    assert [int(row["step"]) for row in rows] == list(range(1, steps, 2))
    assert [int(row["epoch"]) for row in rows] == [int(row["step"]) // (trainer.global_step // 2) for row in rows]
    assert all(losses.rows[step] == step // 2 for step in losses.rows)  # the row is there before a checkpoint is saved
    seen = dict(losses.seen)  # the last batch of each step
    for row in rows:
        parts = float(row["train/label/loss"]) + float(row["train/box/loss"])
        assert float(row["train/loss"]) == pytest.approx(seen[int(row["step"]) + 1], rel=1e-5)
        assert float(row["train/loss"]) == pytest.approx(parts, rel=1e-5)
