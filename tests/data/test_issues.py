"""What a data set does with odd boxes, points, files and names; docs/issues.md lists every case."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data.issues import DataIssue, IssueTreatment, write_issues
from candelabra.data.targets import Labels
from candelabra.errors import UnreadableFile
from tests.data.builders import build_file_samples
from tests.data.files import NAN, boxed, found, written

USED, REPAIRED, UNLABELLED, SKIPPED = (
    IssueTreatment.USED,
    IssueTreatment.REPAIRED,
    IssueTreatment.UNLABELLED,
    IssueTreatment.SKIPPED,
)


@pytest.mark.parametrize(
    ("box", "used", "odd"),
    [
        ([1, 2, 5, 6], [1, 2, 5, 6], []),
        ([0, 0, 20, 10], [0, 0, 20, 10], []),
        ([-0.5, 0, 21, 10], [0, 0, 20, 10], []),  # who counts from 1
        ([-5, 2, 5, 16], [0, 2, 5, 10], [("box partly outside the image, cut", REPAIRED)]),
        ([15, 2, 99, 6], [15, 2, 20, 6], [("box partly outside the image, cut", REPAIRED)]),
        ([25, 2, 30, 6], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([-9, 2, 0, 6], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([3, 3, 3, 3], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([5, 6, 1, 2], None, [("box outside the image, or of no area in it", UNLABELLED)]),
        ([NAN, 0, 5, 5], None, []),
        ([0, 0, float("inf"), 5], [0, 0, 20, 5], [("box partly outside the image, cut", REPAIRED)]),
    ],
)
def test_boxes_end_at_the_border(
    tmp_path: Path, box: list[float], used: list[float] | None, odd: list[tuple[str, str]]
) -> None:
    records = boxed(tmp_path, box)
    assert [pair for pair in found(records.inspect(0)) if "box" in pair[0]] == odd
    for _ in range(2):  # before and after it was verified: the same
        given = records[0]["box"].flatten()
        assert given.isnan().all() if used is None else given.tolist() == used
        assert not records.verify()
    assert found(records.issues) == odd
    assert bool(records.labelled()["box"][0]) == (used is not None)
    assert not [pair for pair in found(records.inspect(0)) if "box" in pair[0]]  # listed once


def test_points_outside_are_not_labelled(tmp_path: Path) -> None:
    points = [[1, 1], [20, 10], [-1, 5], [21, 5], [5, 10.5], [NAN, NAN], [NAN, 3], [float("inf"), 1]]
    records = boxed(tmp_path, [1, 1, 5, 5], points)
    odd = [("keypoints outside the image", UNLABELLED), ("keypoints of which a number is missing", UNLABELLED)]
    assert [pair for pair in found(records.inspect(0)) if "points" in pair[0]] == odd
    for _ in range(2):
        assert records[0]["keypoints"].isnan().any(1).tolist() == [False, False] + [True] * 6
        assert records[0]["keypoints"].isnan().all(1).tolist() == [False, False] + [True] * 6
        records.verify()
    assert found(records.issues) == odd
    assert records.issues[0].detail == "3 of 5"


def test_inspection_tells_what_pixels_tell(tmp_path: Path) -> None:
    photo = Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 20)
    colour = Image.merge("RGB", (photo, photo.rotate(90), photo.rotate(180)))
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = [
        written(tmp_path / "plain.JPG", colour),
        written(tmp_path / "gif.jpg", colour.quantize(16), format="GIF", save_all=True, append_images=[photo]),
        written(tmp_path / "grey.png", photo.convert("RGB")),
        written(tmp_path / "one.jpeg", photo),
        "empty.jpg",
        "missing.jpg",
        "/etc/hostname",
    ]
    records = build_file_samples(tmp_path, names, Labels(), np.array([""] * len(names)))
    assert [found(records.inspect(index)) for index in range(len(names))] == [
        [],
        [("named as another kind of image than it is", USED), ("several images in one file, the first used", USED)],
        [("grey, kept as colours", USED)],
        [("one channel", USED)],
        [("unreadable", SKIPPED)],
        [("unreadable", SKIPPED)],
        [("unreadable", SKIPPED)],
    ]
    assert list(records.verify()) == [4, 5, 6]
    assert all(each.name == names[index] for index in range(len(names)) for each in records.inspect(index))


@pytest.mark.parametrize(
    "error", [MemoryError(), SyntaxError("x"), OverflowError(), RuntimeError("x"), KeyError(1), RecursionError()]
)
def test_whatever_a_decoder_raises_is_unreadable(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = boxed(tmp_path, [1, 1, 5, 5])

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("candelabra.data.decoding.images.convert_to_rgb", fail)
    with pytest.raises(UnreadableFile, match=r"a\.png cannot be read"):
        records.load(0)


def test_names_of_any_bytes_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    write_issues([DataIssue(name, "unreadable", SKIPPED, name)], tmp_path / "issues.csv")
    with (tmp_path / "issues.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {"name": r"caf\udce9.png", "what": "unreadable", "treatment": "skipped", "detail": r"caf\udce9.png"}
    ]
