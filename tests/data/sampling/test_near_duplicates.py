"""Near-duplicates stay in one split, alike in every run, and fixed splits are refused in words."""

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from candelabra.checking.findings import CheckReport
from candelabra.commands.check import check_dataset
from candelabra.data import DataModule, Folder, Shapes
from candelabra.data.sampling import near_duplicates
from candelabra.data.sampling.duplicates import Duplicates, find_duplicates
from candelabra.data.sampling.near_duplicates import NEAR_DUPLICATES, number_near_duplicates
from candelabra.errors import CandelabraError
from tests.data.sampling.test_duplicates import saved, scene

SCENES = 24


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Scenes of two classes, each saved three times; nothing in the name of a file tells its scene."""
    root = tmp_path / "photos"
    names = iter(np.random.default_rng(0).permutation(SCENES * 3))
    for number in range(SCENES):
        folder = root / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        for quality in (90, 60, 40):
            pixels = saved(scene(number), quality)
            Image.fromarray(pixels).save(folder / f"{next(names):02}.jpg", quality=95)
    return root


def leaks(report: CheckReport) -> list[str]:
    return [each.words for each in report.findings if "leaks" in each.words]


def module(root: Path, **options: Any) -> DataModule:
    return DataModule(Folder(root=str(root)), **{"size": 32, "workers": 0, **options})


def test_the_word_that_a_leak_is_answered_with_ends_it(photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = leaks(check_dataset(module(photos)))
    assert found
    assert all(words.endswith("or with data.groups=near_duplicates.") for words in found)
    with caplog.at_level(logging.INFO):
        data = module(photos, groups=NEAR_DUPLICATES)
        parts = data.parts
    assert "72 of 72 images are in 24 groups of near-duplicates, the largest of 3" in caplog.text
    assert sorted(np.concatenate(list(parts.values()))) == list(range(72))
    assert min(map(len, parts.values())) >= 6
    assert not leaks(check_dataset(data))


def test_folds_and_seeds_keep_groups_whole_and_equal_seeds_divide_alike(photos: Path) -> None:
    data = module(photos, groups=NEAR_DUPLICATES)
    groups = number_near_duplicates(data.open())
    tested = []
    for fold in range(4):
        parts = module(photos, groups=NEAR_DUPLICATES, folds=4, fold=fold).parts
        assert sum(len(set(groups[part])) for part in parts.values()) == SCENES
        tested.append(parts["test"])
    assert sorted(np.concatenate(tested)) == list(range(72))
    one, again = (module(photos, groups=NEAR_DUPLICATES, split_seed=3).parts for _ in range(2))
    assert all(np.array_equal(one[split], again[split]) for split in one)
    assert not np.array_equal(one["test"], data.parts["test"])


def test_images_are_decoded_once_until_one_changes(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = module(photos).open()
    looked: list[int] = []

    def count(*given: Any) -> Duplicates:
        looked.append(1)
        return find_duplicates(*given)

    monkeypatch.setattr(near_duplicates, "find_duplicates", count)
    first, second = number_near_duplicates(samples), number_near_duplicates(samples)
    assert (len(looked), first.tolist()) == (1, second.tolist())
    index = int(np.flatnonzero(first == first[0])[-1])
    Image.fromarray(scene(99)).save(photos / samples.names[index])
    third = number_near_duplicates(module(photos).open())
    assert (len(looked), third[index]) == (2, index)


def test_a_cache_that_cannot_be_written_or_read_costs_time_alone(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = module(photos).open()
    right = number_near_duplicates(samples)
    for file in tmp_path.rglob("*.npy"):
        file.write_bytes(b"")
    assert np.array_equal(number_near_duplicates(samples), right)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CANDELABRA_CACHE", str(tmp_path / "file"))
    assert np.array_equal(number_near_duplicates(samples), right)


def test_unreadable_images_are_no_duplicates_of_each_other(photos: Path) -> None:
    samples = module(photos).open()
    for index in (0, 1):
        (photos / samples.names[index]).write_bytes(b"\xff\xd8\xff")
    groups = number_near_duplicates(samples)
    assert [(groups == groups[index]).sum() for index in (0, 1)] == [1, 1]


def test_published_splits_are_kept_where_one_is_drawn_and_refused_where_none_is(tmp_path: Path) -> None:
    for split, numbers in (("train", range(20)), ("test", range(20, 26))):
        for number in numbers:
            (tmp_path / split / "a").mkdir(parents=True, exist_ok=True)
            (tmp_path / split / "b").mkdir(parents=True, exist_ok=True)
            for version, quality in enumerate((90, 50)):
                file = tmp_path / split / "ab"[number % 2] / f"{number}{version}.jpg"
                Image.fromarray(saved(scene(number), quality)).save(file, quality=95)
    data = module(tmp_path, groups=NEAR_DUPLICATES)
    names = data.open().names
    scenes = {split: {Path(names[index]).stem[:-1] for index in part} for split, part in data.parts.items()}
    assert scenes["test"] == {str(number) for number in range(20, 26)}
    assert not scenes["train"] & scenes["val"]
    assert scenes["val"]
    table = tmp_path / "splits.csv"
    rows = [f"{name},{['train', 'val', 'test'][index % 3]}\n" for index, name in enumerate(names)]
    table.write_text("name,split\n" + "".join(rows))
    words = f"data.groups=near_duplicates has nothing to divide: data.split={table} already says"
    with pytest.raises(CandelabraError, match=re.escape(words)):
        module(tmp_path, groups=NEAR_DUPLICATES, split=str(table)).open()
    with pytest.raises(CandelabraError, match="leave one out"):
        module(tmp_path, groups=NEAR_DUPLICATES, split="by_class")


def test_drawn_images_and_a_misspelt_word_are_answered(photos: Path) -> None:
    shapes = DataModule(Shapes(count=60), size=32, workers=0, groups=NEAR_DUPLICATES)
    assert sum(map(len, shapes.parts.values())) == 60
    with pytest.raises(CandelabraError, match="near_duplicates groups images that show the same"):
        module(photos, groups="near_duplicate").open()
