"""Points that are said to be invisible never teach, whatever format says so."""

import json
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Coco, DeepLabCut, Table, Yolo
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget
from tests.data.files import treatments, write_image

KNOWN = [[True, True], [True, False], [False, True], [False, False]]
LISTED = "points that are said to be invisible: unlabelled"


def make_images(root: Path) -> None:
    for name in "abcd":
        write_image(root / f"{name}.png", (100, 60))


def known_points(samples: Samples) -> list[list[bool]]:
    points = [samples[index]["keypoints"] for index in range(len(samples))]
    return [(~each.isnan().any(1)).tolist() for each in points]


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("v", ["2", "1", "0", "0"]),
        ("V", ["2", "2", "0", "-1"]),
        ("vis", ["1", "1", "0", "0.0"]),
        ("visible", ["True", "true", "False", "FALSE"]),
        ("visible", ["yes", "Visible", "no", "hidden"]),
        ("visibility", ["2", "1", "", "0"]),
        ("likelihood", ["0.99", "0.6", "0.59", "1e-5"]),
        ("likelihood", ["0,9", "0,7", "0,1", "0,2"]),
        ("Confidence", ["1", "0.8", "0", "0.2"]),
    ],
)
def test_a_table_may_say_which_points_are_visible(tmp_path: Path, kind: str, cells: list[str]) -> None:
    make_images(tmp_path)
    yes, also, no, neither = (f'"{cell}"' for cell in cells)
    flags = [(yes, also), (also, no), (neither, yes), (no, neither)]
    head = f"image,nose_x,nose_y,nose_{kind},tail_x,tail_y,tail_{kind}\n"
    rows = [f"{name}.png,10,20,{one},30,40,{two}\n" for name, (one, two) in zip("abcd", flags, strict=True)]
    (tmp_path / "table.csv").write_text(head + "".join(rows))
    data = Table(root=str(tmp_path))
    samples = data.read()
    assert samples.labels[KeypointsTarget].names == ("nose", "tail")
    assert known_points(samples) == KNOWN
    assert samples[0]["keypoints"].tolist() == [[10, 20], [30, 40]]
    assert samples.labelled()["keypoints"].tolist() == [True, True, True, False]
    assert treatments(data) == {LISTED: ["b.png"]}


def test_visibilities_of_some_points_and_of_some_rows(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "a.csv").write_text("image,nose_x,nose_y,nose v,tail_x,tail_y\na.png,1,2,0,3,4\nb.png,1,2,2,3,4\n")
    (tmp_path / "b.csv").write_text("image,nose_x,nose_y,tail_x,tail_y\nc.png,1,2,3,4\nd.png,,,3,4\n")
    samples = Table(root=str(tmp_path), file={"train": "a.csv", "test": "b.csv"}).read()
    assert known_points(samples) == [[False, True], [True, True], [True, True], [False, True]]


def test_the_visibility_goes_with_the_object_that_is_chosen(tmp_path: Path) -> None:
    make_images(tmp_path)
    head = "image,label,xmin,ymin,xmax,ymax,nose_x,nose_y,nose_v\n"
    rows = "a.png,cat,0,0,10,10,5,5,2\na.png,cat,20,20,80,50,30,30,0\nb.png,cat,0,0,10,10,5,5,0\n"
    (tmp_path / "table.csv").write_text(head + rows + "b.png,cat,20,20,80,50,30,30,1\n")
    assert known_points(Table(root=str(tmp_path)).read()) == [[False], [True]]


def test_rows_that_contradict_each_other_in_the_visibility(tmp_path: Path) -> None:
    make_images(tmp_path)
    head = "image,nose_x,nose_y,nose_v,tail_x,tail_y,tail_v\n"
    (tmp_path / "table.csv").write_text(head + "a.png,1,2,0,3,4,2\na.png,1,2,2,3,4,2\n")
    assert known_points(Table(root=str(tmp_path)).read()) == [[False, True]]


def test_a_column_that_is_about_no_point_is_none(tmp_path: Path) -> None:
    make_images(tmp_path)
    (tmp_path / "table.csv").write_text("image,nose_x,nose_y,cat_v,score\na.png,1,2,0,0\n")
    data = Table(root=str(tmp_path))
    assert known_points(data.read()) == [[True]]
    assert treatments(data) == {"columns of the table that are not read: used": ["table.csv"]}


@pytest.mark.parametrize("zero", [0, 0.0, "0", False, None, -1])
def test_coco_flags_of_points(tmp_path: Path, zero: object) -> None:
    make_images(tmp_path)
    flags = [(2, 1), (1, zero), (zero, 2), (zero, zero)]
    document = {
        "images": [{"id": n, "file_name": f"{name}.png", "width": 100, "height": 60} for n, name in enumerate("abcd")],
        "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 40, 40], "keypoints": [10, 20, a, 30, 40, b]}
            for n, (a, b) in enumerate(flags)
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(document))
    samples = Coco(root=str(tmp_path)).read()
    assert known_points(samples) == KNOWN
    assert samples[0]["keypoints"].tolist() == [[10, 20], [30, 40]]


@pytest.mark.parametrize(("zero", "seen"), [("0", "2"), ("0.0", "1.000000"), ("0", "1")])
def test_yolo_poses_of_three_numbers_a_point(tmp_path: Path, zero: str, seen: str) -> None:
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\nkpt_shape: [2, 3]\n")
    (tmp_path / "labels").mkdir()
    for name, known in zip("abcd", KNOWN, strict=True):
        write_image(tmp_path / "images" / f"{name}.png", (100, 60))
        first, second = (seen if each else zero for each in known)
        (tmp_path / "labels" / f"{name}.txt").write_text(f"0 .5 .5 .5 .5 .1 .2 {first} .3 .4 {second}\n")
    samples = Yolo(root=str(tmp_path)).read()
    assert known_points(samples) == KNOWN
    assert np.allclose(samples[0]["keypoints"], [[10, 12], [30, 24]])


def test_deeplabcut_likelihoods(tmp_path: Path) -> None:
    video = tmp_path / "labeled-data" / "mouse"
    head = "scorer" + ",ann" * 6 + "\nbodyparts" + ",nose" * 3 + ",tail" * 3 + "\ncoords" + ",x,y,likelihood" * 2 + "\n"
    rows = []
    for name, known in zip("abcd", KNOWN, strict=True):
        write_image(video / f"{name}.png", (100, 60))
        first, second = ("0.98" if each else "0.05" for each in known)
        rows.append(f"labeled-data/mouse/{name}.png,10,20,{first},30,40,{second}\n")
    (video / "CollectedData_ann.csv").write_text(head + "".join(rows))
    data = DeepLabCut(root=str(tmp_path))
    assert known_points(data.read()) == KNOWN
    assert len(treatments(data)[LISTED]) == 4


@pytest.mark.parametrize(
    "cell", [[[1, 2, 2], [3, 4, 0]], [1, 2, 2, 3, 4, 0], [[1, 2], [3, 4, None]], [[1, 2, 1], [3, 4, -1]]]
)
def test_points_of_shards_with_a_third_number(cell: object) -> None:
    issues: list[object] = []
    described = KeypointsTarget(("nose", "tail"))
    column = KeypointsTarget.read_records([cell], ["a"], described, issues)  # type: ignore[arg-type]
    assert column is not None
    assert column.labelled().tolist() == [True]
    assert np.isnan(column.values[0]).any(1).tolist() == [False, True]  # type: ignore[attr-defined]
    assert not issues


def test_points_in_the_corner_are_reported(tmp_path: Path) -> None:
    make_images(tmp_path)
    rows = ["a.png,0,0,5,6", "b.png,3,4,0,0", "c.png,3,4,5,6", "d.png,,,5,6"]
    (tmp_path / "table.csv").write_text("\n".join(["image,nose_x,nose_y,tail_x,tail_y", *rows]))
    data = Table(root=str(tmp_path))
    (issue,) = (each for each in data.read().issues if "(0, 0)" in each.what)
    assert issue.name == "a.png"
    assert issue.detail == "2 points of 2 images; empty these cells if they are not"
    assert known_points(data.read()) == [[True, True]] * 3 + [[False, True]]
