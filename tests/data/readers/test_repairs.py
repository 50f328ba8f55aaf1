"""What formats share: finding files, sides by name, text in any encoding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from candelabra.data import DataModule, Table
from candelabra.data.decoding.file_finder import FileFinder, find_label_files
from candelabra.data.decoding.text_files import LARGEST_ANNOTATION, read_annotation_text
from candelabra.data.issues import DataIssue
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.repairs import parse_xml, repair_boxes
from candelabra.data.targets import KeypointsTarget
from candelabra.data.targets.point_names import list_unpaired, pair_by_name
from tests.data.files import write_image

FILES = ("train/a.jpg", "val/a.jpg", "train/B.JPG", "deep/er/c.jpg")


@pytest.mark.parametrize(
    ("stated", "near", "found"),
    [
        ("/home/me/train/a.jpg", "", "train/a.jpg"),
        ("C:\\data\\val\\a.jpg", "", "val/a.jpg"),
        ("a.jpg", "", None),  # there are two
        ("a.jpg", "val", "val/a.jpg"),
        ("b.jpg", "", "train/B.JPG"),
        ("../../etc/c.jpg", "", "deep/er/c.jpg"),  # what is found is below root whatever was stated
        ("../../etc/passwd", "", None),
        ("", "", None),
        ("x" * 5000, "", None),
    ],
)
def test_files_are_found_by_the_end_of_their_path(stated: str, near: str, found: str | None) -> None:
    assert FileFinder(Path("/root"), [Path("/root", name) for name in FILES]).find(stated, near) == found


def test_label_files_that_links_lead_out_for_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "outside.xml").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a.xml", "B.XML", ".hidden.xml", "c.txt"):
        (root / name).write_text("x")
    (root / "in.xml").symlink_to(root / "a.xml")
    (root / "out.xml").symlink_to(tmp_path / "outside.xml")
    (root / "loop.xml").symlink_to(root / "loop.xml")
    assert [path.name for path in find_label_files(root, ".xml", root)] == ["B.XML", "a.xml", "in.xml"]


@pytest.mark.parametrize(
    "names",
    [["left_eye", "right_eye"], ["L_Eye", "R_Eye"], ["eyeLeft", "eyeRight"], ["EYE.L", "EYE.R"], ["LEFT", "RIGHT"]],
)
def test_sides_are_told_by_names(names: list[str]) -> None:
    assert pair_by_name([*names, "nose", "leftover", "ear_left"]) == [1, 0, 2, 3, 4]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("eyeL", "eyeR"), ("left-eye", "right-eye"), ("LEye", "REye"), ("eye_l", "eye_r"), ("1L", "1R"),
        ("Left Hip", "Right Hip"), ("lh", "rh"), ("paw1LH", "paw4RH"), ("paw2LF", "paw3RF"), ("lhip", "rhip"),
        ("Leye", "Reye"), ("l_eye_1", "r_eye_1"), ("HL", "HR"), ("earl", "earr"),
    ],
)  # fmt: skip
def test_sides_are_told_as_people_write_them(one: str, other: str) -> None:
    assert pair_by_name(["nose", one, other]) == [0, 2, 1]


@pytest.mark.parametrize(
    "names", [["leg", "reg"], ["lip", "rip"], ["lamp", "ramp"], ["L1", "L2", "R3"], ["lead", "read"], ["law", "raw"]]
)
def test_names_that_only_look_alike_are_no_pair(names: list[str]) -> None:
    assert pair_by_name(names) == list(range(len(names)))


def test_points_without_sides_are_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    assert resolve_points(["nose", "tail"], None, []).mirrored == (0, 1)
    assert "data.mirror" in caplog.text
    caplog.clear()
    assert resolve_points(["nose", "tail"], [], []).mirrored == (0, 1)
    assert resolve_points(["left", "right"], None, []).mirrored == (1, 0)
    assert not caplog.text


@pytest.mark.parametrize(
    ("names", "unpaired"),
    [
        (["left_eye", "nose"], ["left_eye"]),
        (["left_eye", "right_eye", "left_ear"], ["left_ear"]),
        (["L1", "L2", "R3"], ["L1", "L2", "R3"]),
        (["0", "1", "2"], ["0", "1", "2"]),
        (["point 1", "point 2"], ["point 1", "point 2"]),
        (["paw1", "paw2", "left_ear", "right_ear"], ["paw1", "paw2"]),
        (["linkes_auge", "nase"], ["linkes_auge"]),
        (["linkes_auge", "rechtes_auge", "nase"], []),
        (["nose", "tail", "mouth"], []),
        (["left_ear", "right_ear", "spine1", "spine2"], []),
        (["rear", "cleft", "upright"], []),
        (["0"], []),
    ],
)
def test_points_whose_mirror_image_is_not_known(names: list[str], unpaired: list[str]) -> None:
    assert list_unpaired(names) == unpaired
    found = resolve_points(names, None, [])
    assert (found.mirrored is None) == bool(unpaired)
    assert KeypointsTarget.from_plain(found.to_plain(), "labels") == found
    assert all(name in found.mirror_problem for name in unpaired)
    typed = resolve_points(names, [], [])
    assert typed.mirrored == tuple(range(len(names)))
    assert KeypointsTarget.from_plain(typed.to_plain(), "labels") == typed


@pytest.mark.parametrize(("options", "listed"), [({}, True), ({"flip": False}, False), ({"augment": "none"}, False)])
def test_images_with_such_points_are_not_mirrored_and_it_is_said(
    tmp_path: Path, options: dict[str, Any], listed: bool
) -> None:
    for name in "abcdef":
        write_image(tmp_path / f"{name}.png")
    rows = "".join(f"{name}.png,2,3,9,9\n" for name in "abcdef")
    (tmp_path / "table.csv").write_text(f"image,left_eye_x,left_eye_y,nose_x,nose_y\n{rows}")
    data = DataModule(Table(root=str(tmp_path)), size=24, **options)
    said = [issue for issue in data.issues if issue.what == "training images are not mirrored"]
    assert bool(said) == listed
    assert not said or ("left_eye" in said[0].detail and "data.mirror" in said[0].detail)
    assert "Mirror" not in repr(data.plan.transforms["train"])
    paired = DataModule(Table(root=str(tmp_path), mirror=[["left_eye", "nose"]]), size=24)
    assert "Mirror" in repr(paired.plan.transforms["train"])
    assert not [issue for issue in paired.issues if "mirrored" in issue.what]


@pytest.mark.parametrize(
    ("raw", "text", "odd"),
    [
        (b"\xef\xbb\xbfcaf\xc3\xa9", "caf\u00e9", []),
        ("caf\u00e9".encode("utf-16"), "caf\u00e9", []),
        (b"caf\xe9", "caf\u00e9", ["text is not UTF-8"]),
        (b"x" * (LARGEST_ANNOTATION + 1), None, ["label file cannot be read"]),
    ],
)
def test_text_is_read_in_any_encoding(tmp_path: Path, raw: bytes, text: str | None, odd: list[str]) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    found: list[DataIssue] = []
    assert read_annotation_text(tmp_path / "a.txt", "a.txt", found) == text
    assert [issue.what for issue in found] == odd


def test_missing_text_is_listed(tmp_path: Path) -> None:
    found: list[DataIssue] = []
    assert read_annotation_text(tmp_path, "a.txt", found) is None
    assert found[0].what == "label file cannot be read"


def test_xml_that_declares_entities_is_not_expanded() -> None:
    with pytest.raises(ValueError, match="DOCTYPE"):
        parse_xml('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>')
    assert parse_xml("<a><b>1</b></a>").findtext("b") == "1"


def test_boxes_are_mended() -> None:
    nan, inf = np.nan, np.inf
    given = np.array(
        [[1, 2, 3, 4], [3, 2, 1, 4], [1, 4, 3, 2], [1, 2, 1, 4], [nan] * 4, [1, nan, 3, 4], [1, 2, inf, 4]]
    )
    found: list[DataIssue] = []
    mended = repair_boxes(given.astype(np.float32), list("abcdefg"), found)
    assert mended[:3].tolist() == [[1, 2, 3, 4]] * 3
    assert np.isnan(mended[3:]).all()
    assert [(issue.name, issue.what) for issue in found] == [
        ("b", "box is inverted"),
        ("c", "box is inverted"),
        ("d", "box has no area"),
        ("f", "box lacks a side"),
        ("g", "box lacks a side"),
    ]
