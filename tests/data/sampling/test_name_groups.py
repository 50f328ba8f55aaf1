"""Groups that file names tell of are named where a drawn split divides them, and nothing else is."""

from pathlib import Path

import numpy as np
import pytest

from candelabra.cli.typed_words import normalize_words, read_word
from candelabra.data.sampling.name_groups import list_shared_beginnings
from candelabra.data.sampling.splits import Splitter
from tests.data.builders import build_file_samples, make_labels

PERSONS = [f"{first} {last}" for first in ("Aaron", "Al", "Ana", "Adam") for last in ("Gore", "Brody", "Naimi")]
FACES = [f"{('happy', 'sad')[number % 2]}/{name}_{number:02}.jpg" for name in PERSONS for number in range(6)]


def list_groups(names: list[str], classes: list[int] | None = None, published: list[str] | None = None) -> list[str]:
    """What is said of names of which the splits, or those that are not published, are drawn at random."""
    labels = make_labels(classes=tuple(f"class{number}" for number in range(max(classes or [0]) + 1)))
    given = np.array(published or [""] * len(names), dtype="<U5")
    samples = build_file_samples(Path(), names, labels, given, np.array(classes or [0] * len(names)))
    parts = Splitter("published" if published else "random").parts(samples)
    return [each.name for each in list_shared_beginnings(samples, parts, published is not None)]


def test_persons_in_several_splits_are_named() -> None:
    found = list_groups(FACES, [number % 2 for number in range(72)])
    assert {f"{name}_" for name in PERSONS} >= set(found)
    assert len(found) > 8


VIDEOS = [f"{('north', 'south')[video % 2]}/video{video}/frame_{n:03}.jpg" for video in range(12) for n in range(6)]


def test_folders_in_several_splits_are_named() -> None:
    found = list_groups(VIDEOS, [number // 6 % 2 for number in range(72)])
    assert {name.rpartition("/")[0] for name in VIDEOS} >= set(found)
    assert len(found) > 8


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ([f"IMG_{number:04}.jpg" for number in range(90)], None),
        ([f"holiday/DSC_{number}.JPG" for number in range(90)], None),
        ([f"{number // 6:04}_{number % 6}.png" for number in range(90)], None),  # no word
        ([f"{kind}_{number}.jpg" for kind in ("cat", "dog") for number in range(45)], None),  # two beginnings
        ([f"{chr(97 + n % 15) * 3}_{n // 15}.jpg" for n in range(90)], [n % 15 for n in range(90)]),  # they are classes
        ([f"IMG_202301{n % 15 + 10}_{101010 + 7 * n}.jpg" for n in range(90)], None),  # date and time
        ([f"{name}.jpg" for name in (*PERSONS, *map(str, range(78)))], None),
        ([f"breed{n % 15}/photo_{n // 15}.jpg" for n in range(90)], [n % 15 for n in range(90)]),  # likewise
        ([f"folder{n // 6}/frame_{n:03}.jpg" for n in range(90)], None),  # numbers go on
        ([*FACES[:40], *(f"{number}.jpg" for number in range(50))], None),  # less than half of the images
    ],
)
def test_names_of_cameras_classes_and_counters_are_not(names: list[str], classes: list[int] | None) -> None:
    assert list_groups(names, classes) == []


def test_only_drawn_splits_count() -> None:
    whole = [("train", "val", "test")[number % 3] for number in range(72)]
    assert list_groups(FACES, published=whole) == []
    given = [("train", "test")[number // 60] for number in range(72)]  # validation is drawn out of train
    assert set(list_groups(FACES, published=given)) <= {f"{name}_" for name in PERSONS[:10]}
    assert list_groups(FACES, published=given)


@pytest.mark.parametrize("names", [FACES, VIDEOS])
def test_the_pattern_that_is_told_can_be_typed_and_keeps_them_together(names: list[str]) -> None:
    samples = build_file_samples(
        Path(), names, make_labels(classes=("face",)), np.full(72, "", "<U5"), np.zeros(72, np.int64)
    )
    parts = Splitter("random").parts(samples)
    typed = list_shared_beginnings(samples, parts, True)[0].detail.split('"')[1]
    groups = read_word(normalize_words([typed], multirun=False)[0])
    parts = Splitter("random", groups=groups).parts(samples)
    assert list_shared_beginnings(samples, parts, False) == []
    assert len(np.unique(Splitter(groups=groups).number_groups(samples))) == len(PERSONS)
