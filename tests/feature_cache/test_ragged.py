"""Lists of objects, which differ in length, beside cached features: as many and the same as without the cache."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.train import run_train
from candelabra.feature_cache.store import FeatureStore, arrange_rows, join_rows
from candelabra.prediction.model import Model
from tests.conftest import Compose
from tests.data.readers.test_coco import document, make, thing
from tests.data.readers.test_voc import xml
from tests.feature_cache.test_cache import name
from tests.feature_cache.test_datamodule import results, weights

LAYOUT = arrange_rows({"final": ("<i2", (1, 1, 1)), "boxes": ("<i4", (0, 2)), "boxes.count": ("<i4", ())})


def make_rows(lists: dict[int, list[list[int]]]) -> "np.ndarray":
    longest = max(len(each) for each in lists.values())
    kinds = {"final": ("<i2", (1, 1, 1)), "boxes": ("<i4", (longest, 2)), "boxes.count": ("<i4", ())}
    made = np.zeros(len(lists), arrange_rows(kinds))
    made["digest"] = np.array([name(number) for number in lists], dtype="V20")
    for row, values in enumerate(lists.values()):
        made["boxes"][row, : len(values)] = values or np.zeros((0, 2))
        made["boxes.count"][row] = len(values)
    return made


def test_shards_hold_lists_of_any_length(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "a", LAYOUT, {})
    store.reserve(0)
    lists = {1: [[1, 2]], 2: [], 3: [[3, 3], [4, 4], [5, 6]], 4: []}
    store.add(join_rows([make_rows({key: lists[key] for key in keys}) for keys in ((1,), (2,))]))
    store.add(make_rows({key: lists[key] for key in (3, 4)}))
    again = FeatureStore(tmp_path / "a", LAYOUT, {})
    again.read()
    for numbers in ([1, 2, 3, 4], [4, 2], [3, 1, 3]):
        places = [again.places[name(number)] for number in numbers]
        counts = again.take("boxes.count", places)
        values = again.take("boxes", places)
        found = [each[:count].tolist() for each, count in zip(values, counts, strict=True)]
        assert found == [lists[number] for number in numbers]
    other = FeatureStore(tmp_path / "a", arrange_rows({"final": ("<i2", (1, 1, 1)), "boxes": ("<i4", (0, 3))}), {})
    other.read()
    assert not other.places


@pytest.fixture
def photos(tmp_path: Path) -> str:
    """Twenty-four images of no, one or two rectangles, files of VOC; two of them nobody labelled."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(24):
        picture, objects = np.full((64, 64, 3), 120, np.uint8), []
        for place in range(number % 3):
            left, top = 4 + 30 * place, 6 + number
            picture[top : top + 24, left : left + 24] = (230, 30, 30)
            objects.append(("red", left + 1, top + 1, left + 24, top + 24))
        Image.fromarray(picture).save(root / f"{number}.png")
        if number not in (4, 5):
            (root / f"{number}.xml").write_text(xml(*objects))
    return str(root)


def test_a_detector_ends_in_the_same_weights_with_the_cache_and_without(
    photos: str, tiny: Compose, tmp_path: Path
) -> None:
    words = ["task=detection", "data=voc", f"data.root={photos}", "data.augment=none", "epochs=2", "data.batch_size=5"]
    words += ["finetune=frozen", "task.boxes.width=16", "task.boxes.layers=1", "lr=0.01", "data.val=0.3"]
    run_train(tiny(*words, f"folder={tmp_path / 'images'}", "cache.gigabytes=0"))
    run_train(tiny(*words, f"folder={tmp_path / 'cached'}"))
    assert list((tmp_path / "features").glob("*/*.npy"))
    images, cached = weights(tmp_path / "images"), weights(tmp_path / "cached")
    assert all(torch.equal(value, cached[key]) for key, value in images.items())
    assert results(tmp_path / "images") == results(tmp_path / "cached")


def test_a_probe_finds_a_detector_and_the_scores_that_it_shows(photos: str, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=detection", "data=voc", f"data.root={photos}", "data.targets=[boxes]", "data.val=0.3"]
    words += ["finetune=probe", "finetune.rates=[1e-6,0.03]", "finetune.decays=[0]", "epochs=12", "data.batch_size=5"]
    found = run_train(tiny(*words, "task.boxes.width=32", "task.boxes.layers=1"))
    assert found["val/boxes/map50"] > 0.3
    thresholds = Model(tmp_path / "train").task.heads["boxes"].thresholds
    assert thresholds.tolist() != [0.25]


def test_lists_that_no_head_learns_may_differ_in_length(tiny: Compose, tmp_path: Path) -> None:
    things = [thing(number, bbox=[2 * left, 2, 8, 8]) for number in range(10) for left in range(1 + number % 3)]
    make(tmp_path / "coco", document(things, 10), 10)
    words = ["data=coco", f"data.root={tmp_path / 'coco'}", "data.augment=none", "data.size=32", "epochs=1"]
    run_train(tiny(*words, "task=localization", "finetune=frozen", "data.batch_size=5"))
    assert list((tmp_path / "features").glob("*/*.npy"))
