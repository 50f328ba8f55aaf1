"""Pictures of what heads look at while they learn."""

from pathlib import Path

import pytest

from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.explain.callback import CamLog, make_cam_log
from tests.conftest import Compose

WORDS = ("data.count=40", "epochs=2", "data.size=32", "data.targets=[label,box]")


def read_pictures(folder: Path) -> list[tuple[int, str]]:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = events.EventAccumulator(str(folder / "tensorboard"), {"images": 0})
    read.Reload()
    return [(event.step, name) for name in read.Tags()["images"] for event in read.Images(name)]


def test_trackers_get_pictures_each_n_epochs_and_the_run_learns_the_same(tiny: Compose, tmp_path: Path) -> None:
    plain = run_train(tiny(*WORDS, "logger=csv", f"folder={tmp_path / 'plain'}"))
    shown = run_train(tiny(*WORDS, "logger=tensorboard", "explain.every=2", f"folder={tmp_path / 'shown'}"))
    assert {key: value for key, value in plain.items() if "/loss" in key} == {
        key: value for key, value in shown.items() if "/loss" in key
    }
    found = [step for step, name in read_pictures(tmp_path / "shown") if name.startswith("explain")]
    assert len(found) == 1


def test_a_number_out_of_range_is_refused(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"explain\.every=0"):
        run_train(tiny(*WORDS, "explain.every=0"))


def test_without_the_option_there_is_no_callback() -> None:
    assert make_cam_log({"every": None}, None) == []
    assert make_cam_log(None, None) == []
    assert isinstance(make_cam_log({"every": 2}, None)[0], CamLog)
