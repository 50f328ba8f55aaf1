"""Tables as tools and contests lay them out: sizes of images, boxes and points by other names, no header, blanks."""

from pathlib import Path

import numpy as np
import pytest

from candelabra.data import Table
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image

SCALED = "stated size is not that of the file, labels scaled: repaired"
UNREAD = "columns of the table that are not read: used"


def make(root: Path, *rows: str, size: tuple[int, int] = (100, 60)) -> Table:
    for name in "abc":
        write_image(root / f"{name}.png", size)
    (root / "table.csv").write_text("\n".join(rows))
    return Table(root=str(root))


def boxes(samples: Samples) -> list[list[float]]:
    return [samples[index]["box"].flatten().tolist() for index in range(len(samples))]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("image,bbox_x,bbox_y,bbox_w,bbox_h", "a.png,20,10,40,30"),
        ("image,box_x,box_y,box_width,box_height", "a.png,20,10,40,30"),
        ("image,left,top,width,height", "a.png,20,10,40,30"),
        ("image,left,top,right,bottom", "a.png,20,10,60,40"),
        ("image,bbox_xmin,bbox_ymin,bbox_xmax,bbox_ymax", "a.png,20,10,60,40"),
        ("ImageID,XMin,XMax,YMin,YMax", "a,20,60,10,40"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,100,60,cat,20,10,60,40"),
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,200,120,cat,40,20,120,80"),
        ("image,xmin,ymin,xmax,ymax,width,height", "a.png,20,10,60,40,40,30"),
        ("image  xmin  ymin  xmax  ymax", "a.png  20  10  60  40"),
    ],
)
def test_a_box_is_read_whatever_its_columns_are_called(tmp_path: Path, header: str, row: str) -> None:
    samples = make(tmp_path, header, row).read()
    assert boxes(samples) == [[20, 10, 60, 40]]
    assert samples.labels.find(KeypointsTarget) is None


def test_boxes_of_images_that_were_scaled_since_are_scaled(tmp_path: Path) -> None:
    reader = make(
        tmp_path, "filename,width,height,xmin,ymin,xmax,ymax", "a.png,200,120,40,20,120,80", "b.png,100,60,1,2,3,4"
    )
    assert boxes(reader.read()) == [[20, 10, 60, 40], [1, 2, 3, 4]]
    assert treatments(reader) == {SCALED: ["a.png"]}


@pytest.mark.parametrize(
    ("names", "rows", "first"),
    [
        ("width,height", ["200,120,40,20,120,80"] * 99 + ["200,120,40,20,230,80"], [20, 10, 60, 40]),  # one is outside
        ("width,height", ["200,120,40,20,120,80"] * 9 + ["200,120,40,20,230,80"], [40, 20, 100, 60]),  # one in ten
        ("image_width,image_height", ["200,120,40,20,120,80", "200,120,40,20,230,80"], [20, 10, 60, 40]),
        ("image_width,image_height", ["200,120,40,20,120,80", "0,,40,20,80,50"], [20, 10, 60, 40]),
        ("width,height", ["40,30,20,10,60,40"] * 9 + ["41,35,20,10,60,40"], [20, 10, 60, 40]),  # of boxes
    ],
)
def test_a_place_outside_of_its_image_does_not_stop_the_scaling_of_others(
    tmp_path: Path, names: str, rows: list[str], first: list[float]
) -> None:
    lines = [f"{number}.png,{row}" for number, row in enumerate(rows)]
    for number in range(len(rows)):
        write_image(tmp_path / f"{number}.png", (100, 60))
    found = make(tmp_path, f"image,{names},xmin,ymin,xmax,ymax", *lines).read()
    assert found[0]["box"].flatten().tolist() == first


def test_boxes_of_images_of_another_shape_are_not_used(tmp_path: Path) -> None:
    samples = make(tmp_path, "filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,200,200,cat,40,20,120,80").read()
    assert np.isnan(boxes(samples)).all()
    assert int(samples[0]["label"]) == 0


def test_points_go_with_the_stated_size(tmp_path: Path) -> None:
    samples = make(tmp_path, "image,nose_x,nose_y,image_width,image_height", "a.png,100,60,200,120").read()
    assert samples[0]["keypoints"].tolist() == [[50, 30]]


@pytest.mark.parametrize(
    "header",
    [
        "image,bbox_x,bbox_y,bbox_w,bbox_h",  # shares, maybe of a centre
        "image,center_x,center_y,width,height",
        "image,x_center,y_center,width,height",
        "image,size_x,size_y,depth,kind",
    ],
)
def test_what_may_be_a_box_or_a_size_is_no_point(tmp_path: Path, header: str) -> None:
    reader = make(tmp_path, header, "a.png,0.2,0.1,0.4,0.3")
    assert not {"keypoints", "box"} & {*reader.read().labels.to_plain()}
    assert treatments(reader) == {UNREAD: ["table.csv"]}


@pytest.mark.parametrize(
    "header",
    ["image,noseX,noseY,tailX,tailY", "image,x_nose,y_nose,x_tail,y_tail", "image,nose x,nose y,tail x,tail y"],
)
def test_points_are_read_whatever_their_columns_are_called(tmp_path: Path, header: str) -> None:
    samples = make(tmp_path, header, "a.png,20,10,30,15").read()
    assert samples.labels[KeypointsTarget].names == ("nose", "tail")
    assert samples[0]["keypoints"].tolist() == [[20, 10], [30, 15]]


def test_three_numbered_points_are_no_box(tmp_path: Path) -> None:
    samples = make(tmp_path, "image,x1,y1,x2,y2,x3,y3", "a.png,20,10,30,15,40,20").read()
    assert samples[0]["keypoints"].tolist() == [[20, 10], [30, 15], [40, 20]]
    assert "box" not in samples[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_the_first_line_of_a_table_without_a_header_is_an_image(tmp_path: Path, separator: str) -> None:
    reader = make(
        tmp_path, *(f"{name}.png{separator}{label}" for name, label in zip("abc", ("x", "y", "x"), strict=True))
    )
    samples = reader.read()
    assert [samples.labels[LabelTarget].classes[int(samples[index]["label"])] for index in range(3)] == ["x", "y", "x"]
    assert treatments(reader) == {"table without a header: used": ["table.csv"]}


def test_a_table_without_a_header_may_hold_boxes_or_splits(tmp_path: Path) -> None:
    samples = make(tmp_path, "a.png,20,10,60,40,cat", "b.png,1,2,3,4,dog").read()
    assert boxes(samples) == [[20, 10, 60, 40], [1, 2, 3, 4]]
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert make(tmp_path, "a.png,train,cat", "b.png,val,dog").read().published.tolist() == ["train", "val"]


def test_a_table_without_a_header_is_refused_where_nobody_can_tell(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=r"has no header: its first line is a\.png, x, y, z"):
        make(tmp_path, "a.png,x,y,z", "b.png,x,y,z").read()


@pytest.mark.parametrize("column", ["subset", "Set", "partition", "phase", "split"])
def test_splits_are_read_by_other_names(tmp_path: Path, column: str) -> None:
    reader = make(tmp_path, f"image,label,{column}", "a.png,x,Training", "b.png,x,Validation", "c.png,y,Testing")
    assert reader.read().published.tolist() == ["train", "val", "test"]


def test_a_column_of_other_words_is_no_split(tmp_path: Path) -> None:
    reader = make(tmp_path, "image,label,set", "a.png,x,A", "b.png,x,train", "c.png,y,B")
    assert set(reader.read().published) == {""}
    assert treatments(reader) == {UNREAD: ["table.csv"]}


def test_classes_that_differ_in_letter_case_are_named(tmp_path: Path) -> None:
    reader = make(tmp_path, "image,label", "a.png,Cat", "b.png,cat", "c.png,dog")
    assert list(treatments(reader)) == ["class names that differ in letter case only, they are several classes: used"]


def test_lines_may_end_as_on_old_computers(tmp_path: Path) -> None:
    make(tmp_path, "")
    (tmp_path / "table.csv").write_bytes(b"image,label\ra.png,x\rb.png,y\r")
    assert Table(root=str(tmp_path)).read().names == ["a.png", "b.png"]


def test_a_name_with_blanks_around_it_is_found(tmp_path: Path) -> None:
    write_image(tmp_path / " a .png")
    (tmp_path / "table.csv").write_text("image,label\n a .png,x\n")
    assert Table(root=str(tmp_path)).read().names == [" a .png"]
