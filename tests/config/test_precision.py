"""The precision of computing is measured on a CPU, once for each computation."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from candelabra.config import precision
from candelabra.config.precision import choose_precision, measure_bfloat16, resolve_precision
from candelabra.errors import CandelabraError


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still but in `SlowIn`."""
    monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: SlowIn.now))
    yield
    SlowIn.now = 0.0


class SlowIn:
    """A step that takes one time in one precision, ten times that in the other."""

    now: ClassVar[float] = 0.0

    def __init__(self, bfloat16: bool, short: float = 0.004) -> None:
        self.bfloat16, self.short, self.calls = bfloat16, short, list[int]()

    def __call__(self, images: int) -> None:
        self.calls.append(images)
        slow = torch.is_autocast_enabled("cpu") == self.bfloat16
        SlowIn.now += self.short * images * (10 if slow else 1)


def test_the_faster_one_is_chosen() -> None:
    assert measure_bfloat16(SlowIn(bfloat16=True), 4) < 0.5
    assert measure_bfloat16(SlowIn(bfloat16=False), 4) > 2


def test_a_slow_step_is_measured_with_few_images() -> None:
    slow = SlowIn(bfloat16=True, short=0.15)
    measure_bfloat16(slow, 64)
    assert max(slow.calls) == 2


def test_whole_batches_are_measured_where_they_take_no_longer() -> None:
    quick = SlowIn(bfloat16=False, short=0.001)
    measure_bfloat16(quick, 32)
    assert quick.calls[-2:] == [32, 32]
    assert SlowIn.now < 3


def test_an_answer_is_kept_for_the_same_computation_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path))
    made = []

    def make() -> SlowIn:
        made.append(SlowIn(bfloat16=False, short=0.001))
        return made[-1]

    assert [choose_precision(make, 2, "net") for _ in range(2)] == ["bf16-mixed"] * 2
    assert len(made) == 1
    (file,) = tmp_path.glob("precision/*.json")
    file.write_text(json.dumps({"bfloat16": 0.5}))
    assert choose_precision(make, 2, "net") == "32-true"
    file.write_text("damaged")
    assert choose_precision(make, 2, "net") == "bf16-mixed"
    choose_precision(make, 2, "other net")
    assert len(made) == 3


def test_a_cache_folder_that_cannot_be_written_does_not_stop_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "file"))
    assert choose_precision(lambda: SlowIn(bfloat16=True, short=0.001), 2) == "32-true"


def test_precisions_that_round_labels_are_refused() -> None:
    with pytest.raises(CandelabraError, match="labels and losses"):
        resolve_precision("bf16-true", "cpu")
    assert resolve_precision("auto", "cpu") == "auto"
