"""The range test: it finds the fall, keeps the strategy's shares, and touches nothing of the run to come."""

import csv
import json
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from candelabra.backbones import Timm
from candelabra.commands.lr import run_lr
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Shapes
from candelabra.errors import CandelabraError
from candelabra.finetuning import Discriminative, LpFt
from candelabra.tasks import Classification
from candelabra.training.lr_finder import StopAtStart, run_range_test
from candelabra.training.range_test import RangeTest
from tests.conftest import Compose

LEARNS = (
    "task=classification",
    "data.count=60",
    "data.size=32",
    "finetune=scratch",
    "range.steps=30",
    "range.min=1e-5",
)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-6, 1, 100)
    fall = 3 - 2 / (1 + np.exp(-3 * (np.log10(rates) + 3)))  # steepest at 1e-3
    losses = np.where(rates < 0.05, fall, fall + 40 * rates)
    noisy = losses + np.random.default_rng(0).normal(0, 0.02, 100)
    assert 5e-4 < RangeTest(rates, noisy).suggestion < 2e-3
    assert "falls fastest" in RangeTest(rates, noisy).reason


def test_each_group_has_its_share_of_the_rising_rate() -> None:
    data = DataModule(Shapes(count=60, canvas=32), size=32, batch_size=16, workers=0)
    torch.manual_seed(0)
    seen: list[list[float]] = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):  # type: ignore[no-untyped-def]
            loss = super().step(closure)
            seen.append([group["lr"] for group in self.param_groups])
            return loss

    task = Classification(
        Timm("test_resnet", weights="none"),
        data.labels,
        finetune=Discriminative(decay=0.5),
        optimizer=partial(Watched, lr=1),
    )
    before = torch.get_rng_state()
    make = partial(
        L.Trainer, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0
    )
    found = run_range_test(task, data, make, min=1e-4, max=1e-1, steps=24)
    assert torch.equal(before, torch.get_rng_state())
    shares = [rate / seen[5][-1] for rate in seen[5]]
    assert shares == pytest.approx([0.03125, 0.03125, 0.0625, 0.0625, 0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1, 1])
    assert seen[-1][-1] > 100 * seen[0][-1]
    assert found.rates[0] == 1e-4


def test_nothing_thaws_during_the_test() -> None:
    held = StopAtStart(LpFt())
    assert [held.frozen_stages(epoch, 8, 5) for epoch in (0, 7)] == [5, 5]
    assert held.lr_scale(0, 5) == LpFt().lr_scale(0, 5)


@pytest.mark.figures
def test_the_command_writes_the_curve(tiny: Compose, tmp_path: Path) -> None:
    run_lr(tiny(*LEARNS))
    assert (tmp_path / "train" / "pictures" / "lr.png").stat().st_size > 5000
    with (tmp_path / "train" / "lr.csv").open() as file:
        rates = [float(row["lr"]) for row in csv.DictReader(file)]
    assert rates == sorted(rates)
    assert not (tmp_path / "train" / "checkpoints").exists()


def test_auto_trains_at_what_the_test_suggests(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*LEARNS, "epochs=1", "lr=auto", f"folder={tmp_path / 'auto'}"))
    saved = torch.load(tmp_path / "auto" / "checkpoints" / "last.ckpt", weights_only=True)
    found = saved["candelabra"]["config"]["optimizer"]["lr"]
    assert 1e-5 < found < 1
    run_train(tiny(*LEARNS, "epochs=1", f"lr={found}", f"folder={tmp_path / 'same'}"))
    same = torch.load(tmp_path / "same" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, same[key]) for key, value in saved["state_dict"].items())
    results = [json.loads((tmp_path / name / "results.json").read_text()) for name in ("auto", "same")]
    assert results[0]["test/loss"] == results[1]["test/loss"]


def test_a_loss_that_falls_nowhere_suggests_nothing(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"The loss fell at no rate from 1.0e-09 to 1.0e-08 more than by chance"):
        run_lr(tiny(*LEARNS, "range.min=1e-9", "range.max=1e-8", "range.steps=20"))


def test_a_grid_of_rates_needs_no_range_test(tiny: Compose) -> None:
    with pytest.raises(
        CandelabraError, match=r"finetune=probe needs no learning rate: it tries each of finetune\.rates"
    ):
        run_lr(tiny("finetune=probe", "data.count=50"))
