"""No group is in two splits, folds partition the set, and what a table says holds."""

import csv
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from candelabra.commands.eval import run_eval
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Folder, Table
from candelabra.data.file_samples import FileSamples
from candelabra.data.sampling.name_tables import read_column
from candelabra.data.sampling.split_drawing import deal_groups, draw_grouped_split
from candelabra.data.sampling.splits import Splitter
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.data.builders import build_file_samples, make_labels
from tests.data.files import make_folder

PEOPLE = [f"person{number:02}" for number in range(30)]


def records(count: int = 240, classes: int = 3, published: Sequence[str] | None = None) -> FileSamples:
    """Eight images of each person; most of a person's show one class."""
    rng = np.random.default_rng(0)
    names = [f"all/{PEOPLE[index % 30]}_{index}.jpg" for index in range(count)]
    label = np.array(
        [(index % 30) % classes if rng.random() < 0.8 else rng.integers(classes) for index in range(count)]
    )
    known = tuple("abc"[:classes])
    return build_file_samples(
        Path(), names, make_labels(classes=known), np.array(published or [""] * count, dtype="<U5"), label
    )


def people(samples: FileSamples, indices: Any) -> set[str]:
    return {samples.names[index].split("_")[0] for index in indices}


@pytest.mark.parametrize("pattern", [".+_", r"all/(.+)_\d+"])
def test_no_group_is_in_two_splits_and_shares_and_strata_are_kept_as_far_as_groups_allow(pattern: str) -> None:
    samples = records()
    parts = Splitter(split="random", groups=pattern).parts(samples)
    each = [people(samples, indices) for indices in parts.values()]
    assert sum(map(len, each)) == 30 == len(set.union(*each))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(240))
    assert all(0.1 <= len(parts[split]) / 240 <= 0.2 for split in ("val", "test"))
    for indices in parts.values():
        shares = np.bincount(samples.strata[indices], minlength=3) / len(indices)
        assert shares.min() > 0.2
    again, other = (Splitter(split="random", groups=pattern, seed=seed).parts(samples) for seed in (0, 1))
    assert all(np.array_equal(parts[split], again[split]) for split in parts)
    assert not np.array_equal(parts["test"], other["test"])


@pytest.mark.parametrize("groups", [None, ".+_"])
def test_folds_partition_the_set_and_validation_is_drawn_from_the_rest(groups: str | None) -> None:
    samples = records(published=["train"] * 200 + ["test"] * 40)
    tested = []
    for fold in range(5):
        parts = Splitter(folds=5, fold=fold, groups=groups, val=0.25).parts(samples)
        assert sorted(np.concatenate(list(parts.values()))) == list(range(240))
        assert 40 <= len(parts["test"]) <= 56
        assert 40 <= len(parts["val"]) <= 56
        if groups is None:
            counts = np.bincount(samples.strata[parts["test"]])
            assert np.abs(counts - np.bincount(samples.strata) / 5).max() < 1
        else:
            assert sum(len(people(samples, indices)) for indices in parts.values()) == 30
        tested.append(parts["test"])
    assert sorted(np.concatenate(tested)) == list(range(240))


@pytest.mark.timeout(60)
def test_thousands_of_images_without_a_group_are_drawn_as_images_and_the_others_as_groups() -> None:
    rng = np.random.default_rng(0)
    groups = np.concatenate([np.repeat(np.arange(40), 10), np.arange(40, 9_640)])
    strata, pool = rng.integers(0, 4, 10_000), np.arange(10_000)
    test = draw_grouped_split(pool, strata, groups, 0.15, np.random.default_rng(1))
    assert 0.145 <= len(test) / len(pool) <= 0.155
    assert not set(groups[test]) & set(groups[np.setdiff1d(pool, test)])
    assert np.abs(np.bincount(strata[test]) / np.bincount(strata) - 0.15).max() < 0.02
    folds = deal_groups(pool, strata, groups, 5, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(40))
    assert np.abs(np.bincount(folds) - 2000).max() <= 20


def test_no_test_split_is_drawn_where_train_and_val_are_published_unless_asked_for() -> None:
    both = records(40, published=["train", "val"] * 20)
    assert [len(part) for part in Splitter().parts(both).values()] == [20, 20, 0]
    assert len(Splitter(test=0.2).parts(both)["test"]) == 4
    assert len(Splitter(split="random").parts(both)["test"]) == 6
    one = records(40, published=["train"] * 40)
    assert all(Splitter().parts(one)[split].size for split in ("val", "test"))


@pytest.mark.parametrize("split", ["published", "random"])
def test_no_test_split_is_drawn_where_none_is_typed(tmp_path: Path, split: Literal["published", "random"]) -> None:
    for name in ("train", "val"):
        make_folder(tmp_path / name)
    parts = DataModule(Folder(root=str(tmp_path)), size=32, workers=0, split=split, test="none").parts
    counts = {"published": (20, 20, 0), "random": (34, 6, 0)}
    assert tuple(map(len, parts.values())) == counts[split]
    parts = DataModule(Folder(root=str(tmp_path / "train")), size=32, workers=0, val="none", test="none").parts
    assert [len(part) for part in parts.values()] == [20, 0, 0]


def test_bad_samples_are_in_no_fold() -> None:
    samples = records()
    tested = [Splitter(folds=3, fold=fold).parts(samples, bad=[5, 6])["test"] for fold in range(3)]
    assert sorted(np.concatenate(tested)) == [index for index in range(240) if index not in (5, 6)]


def write(path: Path, rows: Sequence[Sequence[object]]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def test_the_splits_of_another_run_are_taken_from_its_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = records()
    drawn = Splitter(split="random", seed=7).parts(samples)
    rows = [(samples.names[index], split) for split in drawn for index in drawn[split]]
    word = write(tmp_path / "splits.csv", [("name", "split"), *rows])
    read = Splitter(split=word).parts(samples)
    assert all(np.array_equal(read[split], drawn[split]) for split in drawn)
    short = write(tmp_path / "short.csv", [("image", "split"), *((Path(n).name, s.upper()) for n, s in rows[:-10])])
    with caplog.at_level(logging.WARNING):
        fewer = Splitter(split=short).parts(samples)
    assert "lacks 10 of 240 images" in caplog.text
    assert len(fewer["test"]) == len(drawn["test"]) - 10
    assert np.array_equal(fewer["train"], drawn["train"])
    lacking = write(tmp_path / "two.csv", [("name", "split"), *((n, "train" if s == "val" else s) for n, s in rows)])
    divided = Splitter(split="two.csv", root=str(tmp_path), val=0.1).parts(samples)
    assert lacking.endswith("two.csv")
    assert np.array_equal(divided["test"], drawn["test"])
    assert len(divided["val"]) in (20, 21)


def test_groups_come_from_a_column_of_a_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = records()
    rows = [(name, f"drive{index % 12}" if index < 200 else "") for index, name in enumerate(samples.names)]
    word = write(tmp_path / "table.csv", [("image", "drive"), *rows])
    parts = Splitter(split="random", groups=f"{word}:drive").parts(samples)
    drives = [{rows[index][1] for index in indices if rows[index][1]} for indices in parts.values()]
    assert sum(map(len, drives)) == 12
    assert "40 of 240 images are in no group" in caplog.text


def test_a_class_that_validation_or_test_lacks_is_a_warning_and_one_without_training_image_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    samples = records(classes=2)
    samples.strata[:] = 0
    samples.strata[3] = 1
    samples.published[:] = ["train"] * 100 + ["val"] * 70 + ["test"] * 70
    Splitter().parts(samples)
    assert "1 classes have no image in the val split: b" in caplog.text
    assert "1 classes have no image in the test split: b" in caplog.text
    samples.strata[3], samples.strata[150] = 0, 1
    with pytest.raises(CandelabraError, match=r"Class 'b' has no image in the train split \(1 in all\)"):
        Splitter().parts(samples)


def test_groups_in_several_published_splits_are_told(caplog: pytest.LogCaptureFixture) -> None:
    samples = records(published=["train"] * 100 + ["val"] * 70 + ["test"] * 70)
    Splitter(groups=".+_").parts(samples)
    assert "30 groups of data.groups are in several given splits" in caplog.text


def test_eval_finds_the_splits_of_a_run_again_from_its_table_or_from_another(tiny: Compose, tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", 20, ("cat", "dog"))
    names = [
        f"{kind}/{path.name}" for kind in ("cat", "dog") for path in sorted((tmp_path / "photos" / kind).iterdir())
    ]
    rows = [(name, ("train", "train", "val", "test")[index % 4]) for index, name in enumerate(names)]
    write(tmp_path / "mine.csv", [("name", "split"), *rows])
    words = [f"data.root={tmp_path / 'photos'}", f"data.split={tmp_path / 'mine.csv'}", "data.size=32", "epochs=1"]
    run_train(tiny("data=folder", *words))
    with (tmp_path / "train" / "splits.csv").open() as file:
        written: dict[str, str] = dict(list(csv.reader(file))[1:])
    assert written == dict(rows)
    results = json.loads((tmp_path / "train" / "results.json").read_text())

    def evaluated(*words: str) -> dict[str, float]:
        where = f"checkpoint={tmp_path / 'train'}"
        run_eval(tiny(where, "trainer=cpu", "data.workers=0", *words, command="eval"))
        found: dict[str, float] = json.loads((tmp_path / "eval" / "results.json").read_text())
        return found

    assert evaluated() == {key: value for key, value in results.items() if key.startswith("test/")}
    (tmp_path / "mine.csv").unlink()
    with pytest.raises(CandelabraError, match=r"there is no file .*mine.csv"):
        evaluated()
    assert evaluated(f"data.split={tmp_path / 'train' / 'splits.csv'}")["test/label/count"] == 10


@pytest.mark.real
def test_people_who_are_named_in_a_table_stay_apart(real: Path) -> None:
    root = real / "p1_facial_keypoints"
    words: dict[str, Any] = {"root": str(root), "file": "data/training_frames_keypoints.csv", "images": "data/training"}
    listed = DataModule(Table(points=68, splits="person_disjoint_split.csv", **words))
    divided = DataModule(Table(points=68, **words), split="person_disjoint_split.csv")
    one, other = listed.open(), divided.open()
    for split in ("train", "val", "test"):
        assert {one.names[i] for i in listed.parts[split]} == {other.names[i] for i in divided.parts[split]}
    grouped = DataModule(Table(points=68, **words), groups=r"training/(.+)_\d+\d\.jpg", split="random")
    samples = grouped.open()
    each = [{samples.names[index].rpartition("_")[0] for index in part} for part in grouped.parts.values()]
    assert sum(map(len, each)) == len(set.union(*each)) > 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "half"}, "data.split=half is not known; allowed are published, random, by_class, and a table"),
        ({"split": "nowhere.csv"}, "there is no file nowhere.csv"),
        ({"val": 0.9, "test": 0.1}, "data.val=0.9 and data.test=0.1 must leave something to train on"),
        ({"val": 1.0, "folds": 2}, "data.val=1.0 must leave something to train on"),
        ({"folds": 1}, "data.folds=1"),
        ({"folds": 3, "fold": 3}, "data.folds=3 data.fold=3"),
        ({"folds": 5, "test": 0.3}, "data.test=0.3 does nothing with data.folds=5: the test split is fold 0 of them"),
        ({"folds": 5, "test": 0.0}, "data.test=0.0 does nothing with data.folds=5"),
        ({"fold": 2}, "data.fold=2 does nothing without data.folds"),
        ({"folds": 3, "split": "splits.csv"}, "data.split=splits.csv too"),
        ({"val": 0.6, "test": 0.5}, "data.val=0.6 and data.test=0.5"),
        ({"split": "random", "groups": "(.+"}, r"data.groups=\(.\+ is no regular expression"),
        ({"split": "random", "groups": "xyz"}, "data.groups=xyz matches no name, such as all/person00_0.jpg"),
        ({"split": "random", "groups": "all"}, "finds one group among 240 images"),
        ({"folds": 40, "groups": ".+_"}, "finds 30 groups among 240 images, too few for 40"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CandelabraError, match=message):
        Splitter(**options).parts(records())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("name", "part"), ("all/person00_0.jpg", "train")], "has no column split; it has name, part"),
        ([("name", "split"), ("other.jpg", "train")], "none of the 1 names in .* is one of these data"),
        ([("name", "split"), ("a.jpg", "train"), ("a.jpg", "val")], "names a.jpg more than once"),
    ],
)
def test_tables_that_do_not_fit_are_refused_in_words(rows: list[tuple[str, str]], message: str, tmp_path: Path) -> None:
    word = write(tmp_path / "table.csv", rows)
    with pytest.raises(CandelabraError, match=message):
        read_column("data.split", word, "split", records().names, None)


def test_a_word_that_is_no_split_is_refused(tmp_path: Path) -> None:
    word = write(tmp_path / "table.csv", [("name", "split"), ("person00_0.jpg", "holdout")])
    with pytest.raises(CandelabraError, match="the split 'holdout' is not known"):
        Splitter(split=word).parts(records())


def test_a_fraction_of_the_training_images_is_stratified_nested_and_seeded() -> None:
    samples = records()
    whole = Splitter(split="random").parts(samples)
    few, more, other = (Splitter(split="random", fraction=share).parts(samples) for share in (0.1, 0.5, 0.5000001))
    assert [len(each["train"]) for each in (few, more)] == [round(0.1 * len(whole["train"])), len(whole["train"]) // 2]
    assert set(few["train"]) < set(more["train"]) < set(whole["train"])
    assert np.array_equal(more["train"], other["train"])
    for split in ("val", "test"):
        assert np.array_equal(few[split], whole[split])
    counts = [np.bincount(samples.strata[each["train"]], minlength=3) for each in (few, whole)]
    assert np.abs(counts[0] - 0.1 * counts[1]).max() <= 1
    trained = Splitter(split="published", fraction=0.5)
    published = records(published=["train"] * 160 + ["val"] * 40 + ["test"] * 40)
    assert len(trained.parts(published)["train"]) == 80
    seeds = [Splitter(split="published", fraction=0.5, seed=seed).parts(published)["train"] for seed in (0, 1)]
    assert not np.array_equal(*seeds)


def test_each_class_keeps_an_image_of_the_smallest_fraction() -> None:
    samples = records()
    part = Splitter(split="random", fraction=1e-6).parts(samples)["train"]
    assert sorted(samples.strata[part]) == [0, 1, 2]
    for fraction in (0.0, 1.5, -1.0):
        with pytest.raises(CandelabraError, match=f"data.fraction={fraction} must be a share above 0"):
            Splitter(fraction=fraction)


def test_images_elsewhere_are_measured_whole(tmp_path: Path) -> None:
    part = Splitter(whole="train", trained="other", fraction=0.1).parts(records(published=["train"] * 240))
    assert len(part["train"]) == 240


def test_a_run_on_a_fraction_trains_on_whole_images_of_it(tiny: Compose, tmp_path: Path) -> None:
    words = [
        "data.count=100",
        "data.fraction=0.25",
        "data.size=32",
        "data.batch_size=8",
        "epochs=1",
        "task=classification",
    ]
    run_train(tiny(*words))
    with (tmp_path / "train" / "splits.csv").open() as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    assert [splits.count(split) for split in ("train", "val", "test")] == [18, 15, 15]


def test_a_large_validation_share_divides_what_a_fold_leaves() -> None:
    parts = Splitter(folds=2, fold=0, val=0.9).parts(records())
    assert len(parts["test"]) == 120
    assert 105 <= len(parts["val"]) <= 111
    assert len(parts["train"]) >= 9
