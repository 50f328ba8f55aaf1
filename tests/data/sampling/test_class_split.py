"""data.split=by_class: no class is in two splits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data import DataModule, Digits, Folder, Samples, Shapes
from candelabra.data.sampling.splits import Splitter
from candelabra.errors import CandelabraError


def _folders(root: Path, classes: int) -> Samples:
    for number in range(classes):
        (root / f"class{number:02d}").mkdir()
        for image in range(4):
            Image.new("RGB", (8, 8), (number, image, 0)).save(root / f"class{number:02d}" / f"{image}.png")
    return Folder(root=str(root)).read()


def _classes(samples: Samples, parts: dict[str, np.ndarray]) -> dict[str, set[int]]:
    return {split: set(samples.strata[rows].tolist()) for split, rows in parts.items()}


def test_each_class_is_whole_in_one_split(tmp_path: Path) -> None:
    samples = _folders(tmp_path, 20)
    parts = Splitter(split="by_class", val=0.2, test=0.3).parts(samples)
    found = _classes(samples, parts)
    assert {split: len(classes) for split, classes in found.items()} == {"train": 10, "val": 4, "test": 6}
    assert set.union(*found.values()) == set(range(20))
    assert sum(map(len, parts.values())) == len(samples)
    again, other = (Splitter(split="by_class", val=0.2, test=0.3, seed=seed).parts(samples) for seed in (0, 1))
    assert _classes(samples, again) == found != _classes(samples, other)


def test_bad_images_are_in_no_split(tmp_path: Path) -> None:
    parts = Splitter(split="by_class").parts(_folders(tmp_path, 8), bad=[0, 5])
    assert not {0, 5} & set(np.concatenate(list(parts.values())).tolist())


def test_every_split_has_two_classes_and_too_few_are_refused(tmp_path: Path) -> None:
    samples = _folders(tmp_path, 6)
    found = _classes(samples, Splitter(split="by_class").parts(samples))
    assert {split: len(classes) for split, classes in found.items()} == {"train": 2, "val": 2, "test": 2}
    with pytest.raises(CandelabraError, match="at least 2 classes in each split, and here are 6 for 4 of test"):
        Splitter(split="by_class", test=0.6).parts(samples)


def test_no_test_split_where_its_share_is_0(tmp_path: Path) -> None:
    parts = Splitter(split="by_class", test=0.0).parts(_folders(tmp_path, 6))
    assert (len(parts["test"]), len(parts["val"])) == (0, 8)


def test_data_without_classes_and_options_that_divide_otherwise_are_refused() -> None:
    with pytest.raises(CandelabraError, match=r"data\.groups=x otherwise"):
        Splitter(split="by_class", groups="x")
    with pytest.raises(CandelabraError, match=r"data\.folds=5 otherwise"):
        Splitter(split="by_class", folds=5)
    with pytest.raises(CandelabraError, match="needs data that give one class an image; these label box"):
        DataModule(Shapes(count=20), split="by_class", targets=["box"]).open()


def test_a_fraction_keeps_the_classes_apart() -> None:
    data = DataModule(Digits(), split="by_class", fraction=0.5)
    found = _classes(data.open(), dict(data.parts))
    assert sorted(number for classes in found.values() for number in classes) == list(range(10))
