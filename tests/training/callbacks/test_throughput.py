"""How long a run waits for data: measured, logged, shown, and said where it is much."""

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest

from candelabra.commands.train import run_train
from candelabra.data import DataModule, Shapes
from candelabra.data.loading import workers
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.loading.workers import choose_workers, compute_workers, measure_sample_time
from candelabra.tasks.task import Task
from candelabra.training.callbacks import throughput
from candelabra.training.callbacks.progress import EpochProgress
from candelabra.training.callbacks.throughput import advise_on_throughput
from tests.conftest import Compose

SMALL = ("task=classification", "data.count=80", "data.batch_size=8", "data.size=32", "epochs=2")


@pytest.mark.parametrize(("seconds", "said"), [(0.16, 1), (0.8, 0)])  # of a step; loading its eight samples: 0.16
def test_waiting_is_logged_shown_and_said_once_where_it_is_much(
    seconds: float,
    said: int,
    tiny: Compose,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take, shown = TransformedDataset.__getitem__, []

    now, step = [0.0], Task.training_step

    def slowly(self: TransformedDataset, key: int) -> object:
        now[0] += 0.02
        return take(self, key)

    def train(self: Task, *batch: object) -> object:
        now[0] += seconds
        return step(self, *batch)

    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(TransformedDataset, "__getitem__", slowly)
    monkeypatch.setattr(Task, "training_step", train)
    get = EpochProgress.get_metrics

    def seen(self: EpochProgress, trainer: L.Trainer, task: L.LightningModule) -> dict[str, object]:
        shown.append(get(self, trainer, task))
        return shown[-1]

    monkeypatch.setattr(EpochProgress, "get_metrics", seen)
    with caplog.at_level(logging.WARNING):
        run_train(tiny(*SMALL, "trainer.enable_progress_bar=true"))
    with (tmp_path / "train" / "metrics.csv").open() as file:
        logged = [float(row["data_wait"]) for row in csv.DictReader(file) if row["data_wait"]]
    results = json.loads((tmp_path / "train" / "results.json").read_text())
    assert len(logged) == 2
    assert all(0.1 < share <= 1 for share in logged)
    assert min(logged) <= results["data_wait"] + 1e-3
    assert results["data_wait"] <= max(logged) + 1e-3
    assert any(str(each.get("data_wait", "")).endswith("%") for each in shown)
    assert caplog.text.count("went by waiting for data: data.cache=ram (or disk)") == said


def test_a_validation_in_mid_epoch_is_not_waited_for(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    steps = {"training_step": 1.0, "validation_step": 100.0}  # seconds that each takes by this clock, and nothing else

    def lasting(name: str) -> Callable[..., object]:
        step = getattr(Task, name)

        def taken(self: Task, *batch: object) -> object:
            now[0] += steps[name]
            return step(self, *batch)

        return taken

    for name in steps:
        monkeypatch.setattr(Task, name, lasting(name))
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    run_train(tiny(*SMALL, "epochs=1", "++trainer.val_check_interval=2"))
    results = json.loads((tmp_path / "train" / "results.json").read_text())
    assert results["data_wait"] == 0
    assert results["images_per_second"] == 8
    assert results["seconds"] > 300  # several validations


def test_advice_names_what_is_left_to_set() -> None:
    slow = DataModule(Shapes(count=60), workers=1)
    assert advise_on_throughput(slow, 4).startswith(
        "data.cache=ram (or disk) reads each image once, or data.workers=2 prepares"
    )
    assert (
        advise_on_throughput(DataModule(Shapes(count=60), workers=3, cache="ram"), 3)
        == "a smaller data.size makes them cheaper."
    )
    busy = advise_on_throughput(DataModule(Shapes(count=60), workers=1, cache="ram"), 0)
    assert busy.startswith("data.workers=null measures how many threads and workers are fastest together, or")
    assert "workers" not in advise_on_throughput(DataModule(Shapes(count=60), workers=None, cache="ram"), 0)


def test_workers_go_with_what_a_sample_costs() -> None:
    assert compute_workers(1e-6, 32, "cpu", 8) == 0
    assert compute_workers(0.001, 32, "cpu", 1) == 0
    assert compute_workers(0.001, 32, "cuda", 1) == 1
    assert compute_workers(0.001, 32, "cpu", 8) < compute_workers(0.02, 32, "cpu", 8) == 5
    assert compute_workers(10, 1, "cuda", 64) == 16


def test_choosing_stops_within_a_second_and_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    data = DataModule(Shapes(count=60), size=32, workers=None)
    prepared = data.dataset("train")
    state = torch.get_rng_state()
    now, take = [0.0], TransformedDataset.__getitem__

    def slowly(self: TransformedDataset, key: int) -> object:
        now[0] += 0.3
        return take(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(workers, "time", SimpleNamespace(perf_counter=lambda: now[0]))
        patch.setattr(TransformedDataset, "__getitem__", slowly)
        assert choose_workers(prepared, 8, "cpu", 1, False).seconds == pytest.approx(0.3)
    assert now[0] < 1
    chosen = choose_workers(prepared, 8, "cpu", 1, False)
    assert torch.equal(state, torch.get_rng_state())
    assert chosen.workers <= max(chosen.processors - 1, 0)
    assert chosen.seconds > 0
    assert measure_sample_time(prepared, True) > 0
    assert data.count_workers() == data.count_workers()
