"""Folders of classes and of masks as archives, tools and systems leave them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Auto, DataModule, DeepLabCut, Folder, Masks, Pts, Table, Voc
from candelabra.data.targets import LabelTarget, MaskTarget
from candelabra.errors import CandelabraError
from tests.data.files import make_folder, treatments, write_image, write_mask


@pytest.mark.parametrize(
    ("splits", "stray"),
    [
        (("train", "test"), "__MACOSX/x.jpg"),
        (("train", "test"), "extra/x.jpg"),
        (("train", "test"), "notes/readme.txt"),
        (("train", "dev", "test"), "a.jpg"),
        (("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/x.jpg"),
        (("Training_Set", "test_set"), ".hidden/x.jpg"),
    ],
)
def test_splits_are_never_classes(tmp_path: Path, splits: tuple[str, ...], stray: str) -> None:
    for split in splits:
        make_folder(tmp_path / split, 3)
    (tmp_path / stray).parent.mkdir(parents=True, exist_ok=True)
    if stray.endswith("jpg"):
        write_image(tmp_path / stray)
    else:
        (tmp_path / stray).write_text("x")
    samples = Folder(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert set(samples.published) == {"train", "test"} | ({"val"} if "dev" in splits else set())


def test_splits_may_lie_in_the_classes(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for split in ("Training", "Testing"):
            write_image(tmp_path / name / split / f"{name}.jpg")
    samples = Folder(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert dict(zip(samples.names, samples.published, strict=True)) == {
        f"{name}/{folder}/{name}.jpg": split
        for name in ("cat", "dog")
        for folder, split in (("Training", "train"), ("Testing", "test"))
    }


def test_classes_below_folders_that_are_no_splits_are_named(tmp_path: Path) -> None:
    for fold in ("fold1", "fold2"):
        make_folder(tmp_path / fold, 1)
    reader = Folder(root=str(tmp_path))
    assert reader.read().labels[LabelTarget].classes == ("fold1", "fold2")
    same = "folders of classes hold the same folders, which are not read as classes: used"
    assert treatments(reader) == {same: ["fold1"]}


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", 3)
    make_folder(tmp_path / "test", 3)
    write_image(tmp_path / "extra" / "x.jpg")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.dcm").touch()
    assert treatments(Folder(root=str(tmp_path))) == {
        "folder beside splits is not read: skipped": ["extra"],
        "files of kinds that are not read: skipped": ["scans"],
    }
    flat = tmp_path / "flat"
    make_folder(flat, 3, ("train", "test", "bus"))  # vehicles, perhaps
    assert treatments(Folder(root=str(flat))) == {"class folders that are named like splits: used": ["test"]}


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPEG"])
def test_jpegs_by_any_ending(tmp_path: Path, ending: str) -> None:
    make_folder(tmp_path, 3)
    (tmp_path / "bird").mkdir()
    Image.new("RGB", (24, 16)).save(tmp_path / "bird" / f"0{ending}", "JPEG")
    samples = Folder(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == ("bird", "cat", "dog")
    assert not samples.inspect(0) or all("named" not in each.what for each in samples.inspect(0))


def test_a_single_class_and_a_drawn_split_are_said(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", 10)
    (issue,) = DataModule(Folder(root=str(tmp_path))).issues
    assert (issue.what, issue.name) == ("label has a single class", "label")
    make_folder(tmp_path / "splits" / "train", 20)
    make_folder(tmp_path / "splits" / "val", 4)
    whole = DataModule(Folder(root=str(tmp_path / "splits")))
    assert not whole.issues
    assert not len(whole.parts["test"])
    (issue,) = DataModule(Folder(root=str(tmp_path / "splits")), test=0.15).issues
    assert (issue.what, issue.detail[:9]) == ("test split was drawn out of train", "6 images,")


def make_masks(root: Path, numbers: list[int], folder: str = "masks") -> str:
    for count in range(4):
        write_image(root / "images" / f"{count}.jpg")
        values = np.zeros((16, 24))
        for place, number in enumerate(numbers):
            values[:, place * 4 : place * 4 + 4] = number
        write_mask(root / folder / f"{count}.png", values)
    return str(root)


@pytest.mark.parametrize(
    ("numbers", "options", "classes", "found"),
    [
        ([0, 255], {}, ("background", "foreground"), [0, 1]),
        ([0, 255], {"classes": ["sky", "pet"]}, ("sky", "pet"), [0, 1]),
        ([0, 255], {"values": {"sky": 0, "pet": 255}}, ("sky", "pet"), [0, 1]),
        ([0, 100, 255], {"values": {"sky": 0, "pet": [100, 255]}}, ("sky", "pet"), [0, 1]),
        ([0, 1, 255], {"values": {"sky": 0.0, "pet": "1"}}, ("sky", "pet"), [0, 1, 255]),
        ([0, 1, 255], {}, ("0", "1"), [0, 1, 255]),
        ([0, 7, 200], {}, ("0", "7", "200"), [0, 1, 2]),
        ([0, 1, 255], {"classes": ["sky", "pet"]}, ("sky", "pet"), [0, 1, 255]),
    ],
)
def test_values_mean_what_they_must(
    tmp_path: Path, numbers: list[int], options: dict[str, object], classes: tuple[str, ...], found: list[int]
) -> None:
    samples = Masks(root=make_masks(tmp_path, numbers), **options).read()  # type: ignore[arg-type]
    assert samples.labels[MaskTarget].classes == classes
    assert samples[0]["mask"].unique().tolist() == found
    table = "\n".join(["image,mask", *(f"images/{n}.jpg,masks/{n}.png" for n in range(4))])
    (tmp_path / "table.csv").write_text(table)
    if "values" not in options:
        read = Table(root=str(tmp_path), mask_classes=options.get("classes", [])).read()  # type: ignore[arg-type]
        assert read.labels[MaskTarget].classes == classes
        assert read[0]["mask"].unique().tolist() == found


@pytest.mark.parametrize("values", [{"sky": 0, "pet": 0.5}, {"sky": 0, "pet": "one"}, {"sky": True}])
def test_values_that_are_none_are_refused(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(CandelabraError, match=r"data\.values.* is no whole number"):
        Masks(root=make_masks(tmp_path, [0, 1]), values=values).read()  # type: ignore[arg-type]


def test_a_value_that_is_a_class_and_ignored_is_refused(tmp_path: Path) -> None:
    root = make_masks(tmp_path, [0, 1, 2])
    with pytest.raises(CandelabraError, match=r"dog 2, and data\.ignore=\[2\]"):
        Masks(root=root, values={"sky": 0, "dog": 2}, ignore=[2]).read()


def write_masks(root: Path, *masks: np.ndarray, ending: str = "png") -> Masks:
    for number, values in enumerate(masks):
        write_image(root / "images" / f"{number}.jpg", (16, 16))
        path = root / "masks" / f"{number}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.repeat(values, 16 // len(values))[None].repeat(16, 0)).save(path)
    return Masks(root=str(root))


@pytest.mark.parametrize("value", [1000, 65535])
def test_numbers_above_255_alone_are_refused(tmp_path: Path, value: int) -> None:
    with pytest.raises(CandelabraError, match=f"numbers above 255, which are no classes: {value}"):
        write_masks(tmp_path, np.array([0, value], np.uint16)).read()


def test_numbers_above_255_beside_classes_are_named(tmp_path: Path) -> None:
    reader = write_masks(tmp_path, np.array([0, 1, 2, 700], np.uint16))
    assert reader.read().labels[MaskTarget].classes == ("0", "1", "2")
    assert list(treatments(reader)) == ["pixel values above 255 are no class: unlabelled"]


def test_masks_of_255_among_masks_of_1_are_named(tmp_path: Path) -> None:
    one, other = np.array([0, 255], np.uint8), np.array([0, 1], np.uint8)
    assert treatments(write_masks(tmp_path, other, one)) == {
        "mask of 0 and 255 among masks of other values: used": ["masks/1.png"]
    }
    assert treatments(write_masks(tmp_path, other, one, np.array([0, 1, 255, 255], np.uint8))) == {}


def test_black_and_white_masks_kept_as_jpeg_have_two_classes(tmp_path: Path) -> None:
    reader = write_masks(tmp_path, np.array([0, 0, 255, 255], np.uint8), ending="jpg")
    path = tmp_path / "masks" / "0.jpg"
    drawn = np.zeros((16, 16), np.uint8)
    drawn[:, 5:] = 255
    Image.fromarray(drawn).save(path, quality=90)
    samples = reader.read()
    assert samples.labels[MaskTarget].classes == ("background", "foreground")
    assert (samples[0]["mask"].numpy() == (drawn > 0)).all()


def test_masks_beside_their_images_are_named_by_a_table(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_image(tmp_path / split / "0.jpg")
        write_mask(tmp_path / split / "0_mask.png", np.zeros((16, 24)) + (np.arange(24) > 8) * 3)
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n3, cat\n")
    samples = Auto(root=str(tmp_path)).read()
    assert samples.labels[MaskTarget].classes == ("background", "cat")
    assert samples.names == ["train/0.jpg", "valid/0.jpg"]
    assert samples.published.tolist() == ["train", "val"]
    assert sorted(np.unique(samples[0]["mask"])) == [0, 1]


def test_xml_with_a_namespace_is_read(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", (40, 40))
    box = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>12</xmax><ymax>9</ymax></bndbox>"
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.xml").write_text(
        f'<annotation xmlns="http://example.org"><object><name>cat</name>{box}</object></annotation>'
    )
    assert Voc(root=str(tmp_path)).read()[0]["box"].flatten().tolist() == [1, 2, 12, 9]


def test_lists_of_names_divide_masks(tmp_path: Path) -> None:
    make_masks(tmp_path, [0, 1])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n1\n")
    (lists / "val.txt").write_text("2\n")
    reader = Masks(root=str(tmp_path))
    assert reader.read().published.tolist() == ["train", "train", "val"]
    assert treatments(reader) == {"image in no list: skipped": ["images/3.jpg"]}


def test_masks_whose_names_differ_in_letter_case(tmp_path: Path) -> None:
    make_masks(tmp_path, [0, 1])
    (tmp_path / "images" / "0.jpg").rename(tmp_path / "images" / "IMG.jpg")
    (tmp_path / "masks" / "0.png").rename(tmp_path / "masks" / "img.png")
    reader = Masks(root=str(tmp_path))
    assert reader.read().labelled()["mask"].all()
    assert treatments(reader) == {}


@pytest.mark.parametrize("line", ["10,5 20,5", "10.5 20.5", "10.5,20.5", "10.5, 20.5", "10.5;20.5"])
def test_points_with_decimal_commas(tmp_path: Path, line: str) -> None:
    write_image(tmp_path / "a.jpg", (40, 40))
    (tmp_path / "a.pts").write_text(f"version: 1\nn_points: 1\n{{\n{line}\n}}\n")
    assert Pts(root=str(tmp_path), mirror=[]).read()[0]["keypoints"].tolist() == [[9.5, 19.5]]


def test_the_individual_single_is_no_animal(tmp_path: Path) -> None:
    write_image(tmp_path / "v" / "0.png", (100, 60))
    rows = ["scorer,s,s,s,s", "individuals,m1,m1,single,single", "bodyparts,nose,nose,corner,corner", "coords,x,y,x,y"]
    (tmp_path / "v" / "CollectedData_s.csv").write_text("\n".join([*rows, "v/0.png,30,20,97,57", ""]))
    reader = DeepLabCut(root=str(tmp_path))
    assert reader.read()[0]["keypoints"][0].tolist() == [30, 20]
    assert treatments(reader) == {"points of the individual single are not read: used": ["v/CollectedData_s.csv"]}
