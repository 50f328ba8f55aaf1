"""`minutes` chooses the epochs that fit, before the first step."""

import logging
from pathlib import Path

import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.errors import CandelabraError
from candelabra.runs.run_config import read_run_config
from candelabra.training import time_limit
from candelabra.training.time_limit import fit_epochs_to_minutes, measure_image
from candelabra.training.trial_steps import build_trial_task
from tests.conftest import Compose

FEW = ("data=digits", "task=classification", "data.size=32", "data.canvas=32", "data.fraction=0.1", "data.augment=none")


@pytest.mark.parametrize(
    ("seconds", "epochs", "said"),
    [
        (1.0, 7, "an epoch takes about 1.0 s here, minutes=0.5: epochs 7, all of them fit"),
        (5.9, 5, "epochs 5, in place of 7"),
        (31.0, 1, "one epoch takes 0.5 minutes here, longer than minutes=0.5"),
    ],
)
def test_as_many_whole_epochs_as_fit(
    seconds: float,
    epochs: int,
    said: str,
    tiny: Compose,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    plain = resolve_config(tiny(*FEW, "minutes=0.5", "epochs=7"))
    monkeypatch.setattr(time_limit, "measure_epoch", lambda *_: seconds)
    assert fit_epochs_to_minutes(plain, build_data(plain["data"])) == epochs
    assert said in caplog.text


def test_a_run_records_its_epochs_and_trains_them(tiny: Compose, tmp_path: Path) -> None:
    run_train(tiny(*FEW, "minutes=0.000001", "epochs=3"))
    stored = read_run_config(tmp_path / "train")
    assert stored["epochs"] == stored["trainer"]["max_epochs"] == 1
    assert len((tmp_path / "train" / "metrics.csv").read_text().splitlines()) > 1


def test_steps_of_the_task_are_timed_and_leave_no_trace(tiny: Compose) -> None:
    plain = resolve_config(tiny(*FEW, "minutes=100", "epochs=3"))
    data = build_data(plain["data"])
    before = torch.get_rng_state()
    assert fit_epochs_to_minutes(plain, data) == 3
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("most", "images"), [(1e9, 64), (0.0, 2)])
def test_slow_steps_are_timed_with_fewer_images(most: float, images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "_STEP_SECONDS", most)
    seen: list[int] = []
    assert measure_image(seen.append, 64, torch.device("cpu"), "32-true") > 0
    assert seen == [2, 2, images, images, images]


def test_an_epoch_counts_the_images_that_the_trainer_takes(tiny: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "measure_image", lambda *_: 1.0)
    monkeypatch.setattr(time_limit, "measure_sample_time", lambda *_, again: 0.0)
    words = ("trainer.limit_train_batches=2", "trainer.limit_val_batches=0.5", "trainer.check_val_every_n_epoch=2")
    plain = resolve_config(tiny(*FEW, *words, "data.batch_size=10", "data.workers=0"))
    data = build_data(plain["data"])
    task = build_trial_task(plain, data)
    images = len(data.parts["val"])
    assert time_limit.measure_epoch(task, plain, data) == pytest.approx(20 + 0.35 * images * 0.5 / 2)


def test_features_that_are_computed_once_are_not_counted(
    tiny: Compose, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(time_limit, "measure_epoch", lambda *_: 1000.0)
    plain = resolve_config(tiny(*FEW, "finetune=frozen", "minutes=1", "epochs=7"))
    assert fit_epochs_to_minutes(plain, build_data(plain["data"])) == 7
    assert "computed once" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("trainer.devices=2",), "this run has 2"),
        (("trainer.num_nodes=3",), "this run has 3"),
        (("epochs=-1", "trainer.max_steps=10"), "epochs=-1; set a number"),
    ],
)
def test_what_cannot_be_bounded_is_refused(words: tuple[str, ...], message: str, tiny: Compose) -> None:
    plain = resolve_config(tiny(*FEW, "minutes=1", *words))
    with pytest.raises(CandelabraError, match=message):
        fit_epochs_to_minutes(plain, build_data(plain["data"]))
