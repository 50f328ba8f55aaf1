"""Threads and workers are chosen together on a CPU, from times that are measured once."""

import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.data import DataModule, Shapes
from candelabra.training import core_sharing
from candelabra.training.core_sharing import (
    CoreShare,
    StepTimes,
    choose_core_share,
    count_loaded_images,
    list_core_shares,
)
from tests.conftest import Compose
from tests.training.test_extension import patch_words


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(core_sharing, "count_usable_cores", lambda: 2)
    yield
    torch.set_num_threads(before)


SMALL = ("task=classification", "data.count=40", "data.size=32", "finetune=full", "epochs=1", "data.workers=null")
# What was measured on two cores of a Xeon, test_resnet at 96 pixels: seconds of an image by the number of threads.
STEPS = {1: 0.0037, 2: 0.0023}


@pytest.mark.parametrize(
    ("sample", "share"),
    [
        (0.0010, (2, 0)),  # photos of 500 x 375 pixels: 301 images/s; 257 with (1, 1), 262 with (2, 2)
        (0.0040, (1, 2)),  # of 2000 x 1500: 265; 156 with (2, 0), 170 with (2, 2)
        (0.0074, (1, 2)),  # of 3000 x 2250: 178; 101 and 146
    ],
)
def test_the_choice_is_the_fastest_of_those_that_were_measured(sample: float, share: tuple[int, int]) -> None:
    assert choose_core_share(STEPS.__getitem__, sample, 2, 2) == share


def test_many_cores_spare_as_many_as_loading_needs() -> None:
    def measure(threads: int) -> float:
        return 0.016 / threads

    assert choose_core_share(measure, 0.00001, 16, 16) == (16, 0)
    assert choose_core_share(measure, 0.001, 16, 16) == (15, 1)
    assert choose_core_share(measure, 0.004, 16, 16) == (12, 4)
    assert choose_core_share(measure, 0.1, 16, 16) == (4, 12)
    assert choose_core_share(measure, 0.1, 1, 1) == (1, 0)


def test_nothing_more_is_measured_than_can_be_faster() -> None:
    measured: list[int] = []

    def measure(threads: int) -> float:
        measured.append(threads)
        return 0.016 / threads

    choose_core_share(measure, 0.00001, 16, 16)
    assert measured == [16]
    measured.clear()
    choose_core_share(measure, 0.001, 16, 16)
    assert measured == [16, 15]


def test_no_share_has_more_threads_and_workers_than_cores_unless_one_thread_takes_turns() -> None:
    for cores in range(1, 65):
        for share in list_core_shares(cores, cores):
            assert 0 < share.workers <= 16
            assert share.threads + share.workers <= cores + (share.threads == 1)


def test_a_step_is_timed_once_for_each_number_of_threads() -> None:
    seen: list[int] = []
    times = StepTimes(lambda images: seen.append(torch.get_num_threads()), 8, "32-true")
    seen.clear()
    assert times.measure(1) == times.measure(1) > 0
    assert seen == [1] * 3
    assert torch.get_num_threads() == 2


def test_a_run_has_the_share_that_was_measured_also_where_it_goes_on(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(core_sharing, "_IMAGES", 1)
    caplog.set_level(logging.INFO, logger="candelabra")
    measured: list[float] = []
    trained: list[int] = []

    def choose(measure: object, sample: float, threads: int, cores: int) -> CoreShare:
        measured.append(sample)
        return CoreShare(1, 2)

    def see(*_: object) -> None:
        trained.append(torch.get_num_threads())

    monkeypatch.setattr(core_sharing, "choose_core_share", choose)
    monkeypatch.setattr("candelabra.training.callbacks.throughput.Throughput.on_train_start", see)
    run_train(tiny(*SMALL))
    patch_words(monkeypatch)
    run_train(tiny(*SMALL[:-2], "data.workers=null", f"resume={tmp_path / 'train'}", "epochs=2"))
    run_train(tiny(*SMALL, "overwrite=true", "data.workers=0"))
    assert torch.get_num_threads() == 2
    assert len(measured) == 1
    assert measured[0] > 0
    assert trained == [1, 1, 2]
    assert caplog.text.count("data.workers=2 and threads 1 chosen for 2 cores: training an image takes") == 2


@pytest.mark.parametrize(
    ("options", "images"),
    [
        ({}, 210),
        ({"max_epochs": -1}, math.inf),
        ({"max_epochs": None, "max_steps": 5, "accumulate_grad_batches": 2}, 80),
        ({"limit_train_batches": 2}, 48),
        ({"limit_train_batches": 0.5}, 105),
        ({"limit_train_batches": None}, 210),
    ],
)
def test_images_are_those_that_the_trainer_loads(options: dict[str, Any], images: float) -> None:
    node = {"max_epochs": 3, "max_steps": -1, "limit_train_batches": 1.0, "accumulate_grad_batches": 1, **options}
    assert count_loaded_images({"trainer": node}, DataModule(Shapes(count=100), batch_size=8)) == images


def test_a_short_run_measures_nothing(tiny: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_sharing, "choose_training_share", pytest.fail)
    run_train(tiny(*SMALL))
