"""data.batch_size=auto: the rule on a CPU, and the search on a GPU."""

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.config.build import build_data, resolve_config
from candelabra.errors import CandelabraError
from candelabra.runs.run_config import read_run_config
from candelabra.tasks.task import Task
from candelabra.training.batch_size import compute_largest_batch, find_batch_size, find_fitting_size
from tests.conftest import Compose

SMALL = ("data.count=600", "data.size=32", "data.canvas=32", "epochs=1")
ONE_BATCH = [f"trainer.limit_{split}_batches=1" for split in ("train", "val", "test")]


@pytest.mark.parametrize(("images", "size"), [(10, 8), (319, 8), (320, 16), (640, 32), (10**6, 32)])
def test_on_a_cpu_an_epoch_has_twenty_steps(images: int, size: int) -> None:
    assert compute_largest_batch(images, "cpu") == size


def test_the_run_records_the_number_and_goes_on_with_it(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run_train(tiny(*SMALL, *ONE_BATCH, "data.batch_size=auto"))  # 420 training images
    run = tmp_path / "train"
    assert read_run_config(run)["data"]["batch_size"] == 16
    assert "data.batch_size=16 chosen on cpu for 420 training images: the largest power of two" in caplog.text
    run_train(tiny(f"resume={run}", "data.batch_size=auto"))
    assert read_run_config(run)["data"]["batch_size"] == 16


def test_several_devices_are_refused(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"trainer.devices=2 .*; set data.batch_size to a number"):
        run_train(tiny(*SMALL, "data.batch_size=auto", "trainer.devices=2"))


@pytest.mark.parametrize("balance", ["fixed", "pcgrad"])
def test_the_largest_batch_whose_steps_fit_is_taken(
    balance: str, tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps are real; the memory of the GPU is simulated."""
    tried: list[int] = []
    step = Task.training_step

    def step_with_memory(self: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        tried.append(len(batch["image"]))
        if tried[-1] > 16:
            raise torch.OutOfMemoryError
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", step_with_memory)
    monkeypatch.setattr(gc, "collect", lambda: 0)  # of all objects of this process, 0.2 s a try
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: tried[-1])
    memory = SimpleNamespace(total_memory=1000, major=8, minor=0)  # of which torch asks as well, where there is a GPU
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)
    plain = resolve_config(tiny(*SMALL, f"balance={balance}"))
    data = build_data(plain["data"])
    state = torch.get_rng_state()
    assert find_fitting_size(plain, data, torch.device("cpu"), 64) == 16
    assert tried == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32]
    assert torch.equal(torch.get_rng_state(), state)
    memory.total_memory = 8  # 85 % of it: batches of 4
    assert find_fitting_size(plain, data, torch.device("cpu"), 64) == 4
    memory.total_memory = 1
    with pytest.raises(CandelabraError, match="not even one image fits"):
        find_fitting_size(plain, data, torch.device("cpu"), 64)


@pytest.mark.gpu
def test_on_a_gpu_a_batch_is_found_and_the_memory_is_free_again(tiny: Compose) -> None:
    plain = resolve_config(tiny("data.count=40000", "data.size=224", "trainer=gpu", "trainer.precision=16-mixed"))
    before = torch.cuda.memory_allocated()
    assert find_batch_size(plain, build_data(plain["data"])) in [2**power for power in range(11)]
    assert torch.cuda.memory_allocated() - before < 10**8
