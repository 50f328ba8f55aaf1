"""Formats of keypoints alone: DeepLabCut, WFLW and .pts files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Auto, DeepLabCut, Pts, Wflw
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

SINGLE = """scorer,{pad}ann,ann,ann,ann
bodyparts,{pad}left_ear,left_ear,right_ear,right_ear
coords,{pad}x,y,x,y
"""
SEVERAL = """scorer,,,ann,ann,ann,ann
individuals,,,m1,m1,m2,m2
bodyparts,,,nose,nose,nose,nose
coords,,,x,y,x,y
"""


def make_project(root: Path, table: str, frames: int = 4) -> DeepLabCut:
    video = root / "labeled-data" / "mouse"
    for number in range(frames):
        write_image(video / f"img{number}.png")
    (video / "CollectedData_ann.csv").write_text(table)
    return DeepLabCut(root=str(root))


@pytest.mark.parametrize("columns", [1, 3])
def test_deeplabcut_names_frames_in_one_column_or_three(tmp_path: Path, columns: int) -> None:
    between = "/" if columns == 1 else ","
    frame = f"labeled-data{between}mouse{between}img"
    rows = f"{frame}0.png,1,2,3,4\n{frame}1.png,,,5,6\n{frame}2.png,,,,\n{frame}3.png,x,2,3,4\n"
    data = make_project(tmp_path, SINGLE.format(pad="," * (columns - 1)) + rows)
    samples = data.read()
    assert samples.names == [f"labeled-data/mouse/img{i}.png" for i in range(4)]
    assert samples.labels.targets == ("keypoints",)
    assert samples.labels[KeypointsTarget].names == ("left_ear", "right_ear")
    assert samples.labels[KeypointsTarget].mirrored == (1, 0)
    assert samples[0]["keypoints"].tolist() == [[1, 2], [3, 4]]
    assert samples[1]["keypoints"].isnan().all(1).tolist() == [True, False]
    assert samples.labelled()["keypoints"].tolist() == [True, True, False, True]
    assert samples[3]["keypoints"].isnan().all(1).tolist() == [True, False]
    assert treatments(data) == {"cell is no number: unlabelled": ["labeled-data/mouse/img3.png"]}


def test_a_table_without_the_name_of_its_scorer_is_recognized(tmp_path: Path) -> None:
    make_project(tmp_path, SINGLE.format(pad="") + "labeled-data/mouse/img0.png,1,2,3,4\n", frames=1)
    table = tmp_path / "labeled-data" / "mouse" / "CollectedData_ann.csv"
    table.rename(table.with_name("CollectedData.csv"))
    auto = Auto(root=str(tmp_path))
    assert (auto.match.name, auto.match.evidence) == ("deeplabcut", "labeled-data/mouse/CollectedData.csv")
    assert auto.read()[0]["keypoints"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("rule", "known"), [("largest", [True, True]), ("single", [False, True])])
def test_deeplabcut_of_several_animals(tmp_path: Path, rule: str, known: list[bool]) -> None:
    rows = "labeled-data,mouse,img0.png,1,2,3,4\nlabeled-data,mouse,img1.png,,,7,8\n"
    data = make_project(tmp_path, SEVERAL + rows, 2)
    data = replace(data, objects=rule)
    samples = data.read()
    assert samples.labels[KeypointsTarget].names == ("nose",)
    assert samples.labelled()["keypoints"].tolist() == known
    assert samples[1]["keypoints"].tolist() == [[7, 8]]


def test_deeplabcut_rows_twice_and_frames_that_are_gone(tmp_path: Path) -> None:
    frame = "labeled-data/mouse/img"
    rows = f"{frame}0.png,1,2,3,4\n{frame}0.png,2,2,3,4\n{frame}9.png,1,2,3,4\n{frame}1.png,1,2\n"
    data = make_project(tmp_path, SINGLE.format(pad="") + rows)
    assert data.read().labelled()["keypoints"].tolist() == [False, True]
    assert treatments(data) == {
        "image is listed twice: unlabelled": [f"{frame}0.png"],
        "listed image is not there: skipped": [f"{frame}9.png"],
    }


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ("image,x\na.png,1\n", {}, "no header rows scorer, bodyparts and coords"),
        ("", {"file": "gone.csv"}, "no header rows"),
    ],
)
def test_other_tables_are_no_deeplabcut(tmp_path: Path, table: str, options: dict[str, str], words: str) -> None:
    make_project(tmp_path, table)
    with pytest.raises(CandelabraError, match=words):
        DeepLabCut(root=str(tmp_path), **options).read()  # type: ignore[arg-type]
    (tmp_path / "none").mkdir()
    with pytest.raises(CandelabraError, match="holds no CollectedData"):
        DeepLabCut(root=str(tmp_path / "none")).read()


def face(shift: float, box: tuple[int, int, int, int], name: str) -> str:
    points = [f"{shift + place:.3f}" for place in range(196)]
    return " ".join([*points, *map(str, box), "0", "1", "0", "0", "0", "1", name])


def make_faces(root: Path, lines: dict[str, list[str]]) -> Wflw:
    for name in ("0--Parade/a b.jpg", "0--Parade/c.jpg"):
        write_image(root / "WFLW_images" / name)
    folder = root / "WFLW_annotations" / "list_98pt_rect_attr_train_test"
    folder.mkdir(parents=True)
    for split, own in lines.items():
        (folder / f"list_98pt_rect_attr_{split}.txt").write_text("\n".join(own) + "\n")
    return Wflw(root=str(root))


def test_wflw_reads_points_boxes_and_attributes(tmp_path: Path) -> None:
    several = [face(0.5, (1, 1, 3, 3), "0--Parade/a b.jpg"), face(7.5, (2, 2, 9, 9), "0--Parade/a b.jpg")]
    data = make_faces(tmp_path, {"train": several, "test": [face(1.5, (4, 4, 8, 8), "0--Parade/c.jpg"), "1 2 3"]})
    samples = data.read()
    order = {Path(name).name: index for index, name in enumerate(samples.names)}
    two, one = order["a b.jpg"], order["c.jpg"]
    assert samples.published[[two, one]].tolist() == ["train", "test"]
    assert samples.labels[LabelTarget].classes[1] == "expression"
    assert samples[one]["label"].tolist() == [0, 1, 0, 0, 0, 1]
    assert samples[two]["box"].tolist() == [[2, 2, 9, 9]]
    assert samples[two]["keypoints"][0].tolist() == [7.5, 8.5]
    assert samples.labels[KeypointsTarget].normalizer == (60, 72)
    assert treatments(data) == {"malformed line of labels: skipped": ["list_98pt_rect_attr_test.txt:2"]}
    data = replace(data, objects="single")
    assert data.read().labelled()["keypoints"].tolist() == [index != two for index in range(2)]


def test_wflw_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="has no list of faces whose images are there"):
        make_faces(tmp_path, {"train": [face(0.5, (1, 1, 3, 3), "gone.jpg")]}).read()


def pts(points: np.ndarray) -> str:
    lines = "\n".join(f"{x} {y}" for x, y in points)
    return f"version: 1\nn_points:  {len(points)}\n{{\n{lines}\n}}\n"


def test_pts_files_count_from_1(tmp_path: Path) -> None:
    points = np.arange(136).reshape(68, 2) / 10 + 1
    for name in ("helen/trainset/a", "lfpw/testset/b", "other/c", "other/e", "other/f"):
        write_image(tmp_path / f"{name}.JPG")
    (tmp_path / "helen/trainset/a.pts").write_text(pts(points))
    (tmp_path / "lfpw/testset/b.pts").write_text(pts(points + 1))
    (tmp_path / "other/d.pts").write_text(pts(points))
    (tmp_path / "other/e.pts").write_text(pts(points[:5]))
    (tmp_path / "other/f.pts").write_text("{ 1 2 3 }")
    data = Pts(root=str(tmp_path))
    samples = data.read()
    assert samples.published.tolist() == ["train", "test", "", "", ""]
    assert samples[0]["keypoints"][1].tolist() == pytest.approx([0.2, 0.3])
    assert samples.labels[KeypointsTarget].normalizer == (36, 45)
    assert (samples.labels[KeypointsTarget].mirrored or ())[36] == 45
    assert samples.labelled()["keypoints"].tolist() == [True, True, False, False, False]
    assert treatments(data) == {
        "label file without an image: skipped": ["other/d.pts"],
        "image without a label file: unlabelled": ["other/c.JPG"],
        "other number of points: unlabelled": ["other/e.JPG"],
        "malformed pts file: unlabelled": ["other/f.JPG"],
    }


def test_folders_without_pts_files_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    with pytest.raises(CandelabraError, match=r"no image with a \.pts file"):
        Pts(root=str(tmp_path)).read()
