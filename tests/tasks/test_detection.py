"""Detectors from the command line on, alone and beside other heads."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.data.readers.test_voc import xml

COLOURS = {"red": (230, 30, 30), "blue": (30, 60, 230)}


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Pictures of up to two rectangles, red or blue, on grey, as Pascal VOC has them."""
    rng, root = np.random.default_rng(0), tmp_path / "photos"
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
    for number in range(40):
        picture, objects = np.full((64, 64, 3), 120, np.uint8), []
        for place in range(1 + number % 2):
            name = ("red", "blue")[rng.integers(2)]
            left, top = int(rng.integers(2, 8)) + 30 * place, int(rng.integers(2, 30))
            right, bottom = left + int(rng.integers(16, 24)), top + int(rng.integers(20, 32))
            picture[top:bottom, left:right] = COLOURS[name]
            objects.append((name, left + 1, top + 1, right, bottom))
        Image.fromarray(picture).save(root / "JPEGImages" / f"{number}.jpg", quality=95)
        (root / "Annotations" / f"{number}.xml").write_text(xml(*objects))
    return str(root)


def test_a_detector_learns_and_its_run_has_all_numbers(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "data=voc", f"data.root={photos}", "epochs=16", "lr=0.005", "data.batch_size=4"]
    words += ["task.boxes.width=32", "task.boxes.layers=1", "data.val=0.2", "data.test=0.2", "data.augment=none"]
    words += ["trainer.check_val_every_n_epoch=16"]
    results = run_train(tiny(*words))
    assert results["val/boxes/map50"] == results["val/score"]
    assert results["test/boxes/map50"] > 0.5
    assert results["test/boxes/map"] <= results["test/boxes/map50"]
    assert results["test/boxes/mar"] <= 1
    assert results["test/boxes/count"] == 8
    with (tmp_path / "train" / "boxes_classes.csv").open() as file:
        rows = {row["class"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["blue", "red", "background"]
    assert float(rows["red"]["ap50"]) > 0.3
    assert rows["background"]["ap50"] is None
    assert sum(int(rows[name]["support"]) for name in COLOURS) == count_objects(tmp_path / "train", "test")
    assert (tmp_path / "train" / "pictures" / "boxes_confusion.png").is_file()


def count_objects(run: Path, split: str) -> int:
    with (run / "splits.csv").open() as file:
        return sum(1 + int(Path(row["name"]).stem) % 2 for row in csv.DictReader(file) if row["split"] == split)


def test_boxes_join_other_heads_where_they_are_asked_for(photos: str, tiny: Compose) -> None:
    words = ["data=voc", f"data.root={photos}", "epochs=1", "data.batch_size=8"]
    plain = run_train(tiny(*words))
    assert not [key for key in plain if "/boxes/" in key]
    joint = run_train(
        tiny(
            *words,
            "+head@task.heads.boxes=fcos",
            "task.heads.boxes.width=32",
            "overwrite=true",
            "monitor=val/boxes/map50",
        )
    )
    assert {"test/boxes/map50", "test/label/accuracy", "test/box/iou"} <= set(joint)


def test_a_detector_without_boxes_is_refused(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match="data.targets names boxes; these data label"):
        run_train(tiny("task=detection", "data.count=20"))
    with pytest.raises(CandelabraError, match=r"task\.boxes\.nms_threshold=2 is out of range"):
        run_train(tiny("task=detection", "task.boxes.nms_threshold=2", "data.count=20"))


def test_a_detector_of_two_stages_trains_the_same_each_time(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "head@task.boxes=faster_rcnn", "data=voc", f"data.root={photos}", "epochs=1"]
    words += ["task.boxes.width=16", "task.boxes.hidden=32", "task.boxes.proposals=50", "logger=none"]
    results = [run_train(tiny(*words, f"folder={tmp_path / name}")) for name in ("one", "two")]
    numbers = [{key: value for key, value in each.items() if "/" in key} for each in results]
    assert numbers[0] == numbers[1]
    assert 0 <= results[0]["test/boxes/map50"] <= 1
    one, two = (
        torch.load(tmp_path / name / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    )
    assert all(torch.equal(value, two[key]) for key, value in one.items())
    with pytest.raises(CandelabraError, match=r"task\.boxes\.proposals=0 is out of range"):
        run_train(tiny(*words, "task.boxes.proposals=0"))
