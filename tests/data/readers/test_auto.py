"""Which format a folder looks like."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import candelabra.data
from candelabra.data import Auto, Reader
from candelabra.data.readers.auto import list_reader_classes, recognize_format
from candelabra.data.targets import KeypointsTarget
from candelabra.errors import CandelabraError
from tests.data.files import make_folder, write_image, write_mask
from tests.data.readers import test_coco, test_points, test_voc, test_yolo


def make_table(root: Path) -> None:
    write_image(root / "pictures" / "a.png")
    (root / "labels.csv").write_text("image,label\na.png,cat\na.png,cat\n")


def make_masks(root: Path) -> None:
    write_image(root / "images" / "a.png")
    write_mask(root / "masks" / "a.png", np.zeros((16, 24)))


def make_pts(root: Path) -> None:
    write_image(root / "a.png")
    (root / "a.pts").write_text("{\n1 1\n2 2\n}")


def make_pets(root: Path) -> None:
    (root / "oxford-iiit-pet").mkdir()


MADE: dict[str, Callable[[Path], object]] = {
    "coco": lambda root: test_coco.make(root, test_coco.document([test_coco.thing(0)])),
    "yolo": lambda root: test_yolo.make(root, {"train/a": test_yolo.DETECT}),
    "voc": lambda root: test_voc.make(root, {"a": test_voc.xml(test_voc.CAT)}),
    "masks": make_masks,
    "table": make_table,
    "folder": lambda root: make_folder(root, 2),
    "deeplabcut": lambda root: test_points.make_project(root, test_points.SINGLE.format(pad="")),
    "wflw": lambda root: test_points.make_faces(root, {"train": []}),
    "pts": make_pts,
    "pets": make_pets,
}


@pytest.mark.parametrize("name", MADE)
def test_each_format_is_recognised(tmp_path: Path, name: str) -> None:
    MADE[name](tmp_path)
    assert recognize_format(tmp_path).name == name


def test_every_reader_that_can_recognize_its_format_is_asked() -> None:
    exported = [getattr(candelabra.data, name) for name in candelabra.data.__all__]
    readers = [each for each in exported if isinstance(each, type) and issubclass(each, Reader)]
    able = {each for each in readers if each is not Reader and "looks_like" in vars(each)}
    assert able == set(list_reader_classes())
    assert len(able) == len(list_reader_classes()) == 19


def test_digits_that_are_recognized_are_not_mirrored(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    assert not Auto(root=str(tmp_path)).allows_flip()
    (tmp_path / "MNIST").rename(tmp_path / "FashionMNIST")
    assert Auto(root=str(tmp_path)).allows_flip()


def test_it_says_what_it_reads_and_reads_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_table(tmp_path)
    with caplog.at_level(logging.INFO, "candelabra"):
        samples = Auto(root=str(tmp_path)).read()
    assert samples.names == ["pictures/a.png"]
    assert "looks like data=table (labels.csv)" in caplog.text


def test_tables_of_splits_are_found_with_their_folders(tmp_path: Path) -> None:
    for split in ("training", "test"):
        for name in ("a.png", "b.png"):
            write_image(tmp_path / split / name)
        (tmp_path / f"{split}_points.csv").write_text(",0,1,2,3\na.png,1,2,3,4\nb.png,1,2,3,4\n")
    samples = Auto(root=str(tmp_path)).read()
    assert sorted(samples.names) == ["test/a.png", "test/b.png", "training/a.png", "training/b.png"]
    assert len(samples.labels[KeypointsTarget].names) == 2
    assert sorted(samples.published.tolist()) == ["test", "test", "train", "train"]


def test_several_formats_or_none_are_refused_with_what_was_seen(tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    MADE["coco"](tmp_path / "both")
    MADE["voc"](tmp_path / "both")
    with pytest.raises(CandelabraError, match=r"may be read as data=coco \(annotations.json\), data=voc"):
        Auto(root=str(tmp_path / "both")).read()
    write_image(tmp_path / "plain" / "a.png")
    with pytest.raises(CandelabraError, match=r"seen: 1 \.png in the folder itself.*data=folder"):
        Auto(root=str(tmp_path / "plain")).read()
    (tmp_path / "outer" / "set").mkdir(parents=True)
    MADE["voc"](tmp_path / "outer" / "set" / "deep" / "er")
    make_masks(tmp_path / "above" / "inner")
    with pytest.raises(CandelabraError, match="inner looks like data=masks"):
        Auto(root=str(tmp_path / "above")).read()


def test_what_its_format_refuses_names_the_format(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(CandelabraError, match=r"looks like data=coco .* has a labelled object.*data=coco, to set"):
        Auto(root=str(tmp_path)).read()


REAL = {
    "raccoon": "voc",
    "kangaroo": "voc",
    "bccd": "voc",
    "pets_sample": "pets",
    "camvid/CamVid": "masks",
    "cifar10_6k": "folder",
    "coco128_multitask": "yolo",
    "faces69": "table",
    "p1_facial_keypoints": "table",
    "format_samples/coco_instances": "coco",
    "format_samples/ochuman": "coco",
    "format_samples/mmpose/cofw": "coco",
}


@pytest.mark.real
@pytest.mark.parametrize("folder", REAL)
def test_real_sets_are_recognised(real: Path, folder: str) -> None:
    assert recognize_format(real / folder).name == REAL[folder]


@pytest.mark.real
def test_real_faces_are_read_without_a_word(real: Path) -> None:
    samples = Auto(root=str(real / "p1_facial_keypoints")).read()
    assert (samples.published == "train").sum() == 3462
    assert (samples.published == "test").sum() == 770
    assert len(samples.labels[KeypointsTarget].names) == 68
