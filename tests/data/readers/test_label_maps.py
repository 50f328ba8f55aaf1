"""Maps of objects in files: label maps of any depth, a mask for each object, and Pascal VOC's two maps."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import Auto, LabelMaps
from candelabra.data.targets import InstancesTarget
from candelabra.data.targets.instance_maps import UNKNOWN, make_rows, unpack_numbers
from candelabra.errors import CandelabraError
from tests.data.files import treatments, write_image, write_mask

SHAPE = (16, 24)


def draw_labels(*numbers: int) -> np.ndarray:
    """(16, 24): a square of 4 pixels for each number, side by side."""
    values = np.zeros(SHAPE, np.int64)
    for place, number in enumerate(numbers):
        values[2:6, 1 + 5 * place : 5 + 5 * place] = number
    return values


def save(path: Path, values: np.ndarray, kind: type) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(kind)).save(path)


@pytest.mark.parametrize(
    ("ending", "kind", "numbers"),
    [
        ("png", np.uint8, (1, 2, 255)),
        ("png", np.uint16, (300, 7, 65535)),
        ("tif", np.uint16, (300, 7, 65535)),
        ("tif", np.int32, (1, 2, 1_000_000)),
        ("tif", np.float32, (1, 2, 300)),
    ],
)
def test_each_number_of_a_label_map_is_an_object(
    tmp_path: Path, ending: str, kind: type, numbers: tuple[int, ...]
) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    save(tmp_path / "labels" / f"a.{ending}", draw_labels(*numbers), kind)
    samples = LabelMaps(root=str(tmp_path)).read()
    assert samples.labels[InstancesTarget].classes == ("object",)
    found = make_rows(samples[0]["instances"])
    assert sorted(found[:, :4].tolist()) == [[1, 2, 5, 6], [6, 2, 10, 6], [11, 2, 15, 6]]
    assert found[:, 4:].tolist() == [[0, 1]] * 3


def test_colours_tell_objects_apart_and_numbers_can_be_ignored(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    colours = np.zeros((*SHAPE, 3), np.uint8)
    colours[2:6, 1:5], colours[2:6, 6:10] = (255, 0, 0), (0, 0, 255)
    (tmp_path / "labels").mkdir()
    Image.fromarray(colours).save(tmp_path / "labels" / "a.png")
    samples = LabelMaps(root=str(tmp_path), classes=["cell"], ignore=[255]).read()
    value = samples[0]["instances"]
    assert int(value[3, 2]) == UNKNOWN
    assert make_rows(value)[:, :4].tolist() == [[6, 2, 10, 6]]
    assert samples.labels[InstancesTarget].classes == ("cell",)


def test_a_mask_for_each_object_in_a_folder_for_each_image(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for name in ("a", "b"):
            write_image(tmp_path / split / name / "images" / f"{name}.png")
            for number in range(3 if name == "a" else 1):
                write_mask(
                    tmp_path / split / name / "masks" / f"{number}.png", 255 * (draw_labels(1, 2, 3) == number + 1)
                )
    found = Auto(root=str(tmp_path))
    assert found.match.name == "label_maps"
    samples = found.read()
    assert samples.published.tolist() == ["train", "train", "val", "val"]
    assert [len(make_rows(samples[i]["instances"])) for i in range(4)] == [3, 1, 3, 1]


def test_pascal_voc_has_a_map_of_objects_and_one_of_classes(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_image(tmp_path / "JPEGImages" / f"{name}.jpg")
    objects, classes = draw_labels(1, 2, 255), draw_labels(15, 8, 255)
    save(tmp_path / "SegmentationObject" / "a.png", objects, np.uint8)
    save(tmp_path / "SegmentationClass" / "a.png", classes, np.uint8)
    save(tmp_path / "SegmentationObject" / "b.png", objects, np.uint8)
    save(tmp_path / "SegmentationClass" / "b.png", draw_labels(3, 21, 255), np.uint8)
    (tmp_path / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, name in (("train", "a"), ("val", "b")):
        (tmp_path / "ImageSets" / "Segmentation" / f"{split}.txt").write_text(name)
    samples = Auto(root=str(tmp_path)).read()
    names = samples.labels[InstancesTarget].classes
    assert samples.published.tolist() == ["train", "val"]
    rows = make_rows(samples[0]["instances"])
    assert [(names[int(row[4])], row[:4].tolist()) for row in rows] == [
        ("person", [1, 2, 5, 6]),
        ("cat", [6, 2, 10, 6]),
    ]
    second = samples[1]["instances"]
    assert [names[int(row[4])] for row in make_rows(second)] == ["bird"]
    assert int(second[3, 7]) == UNKNOWN  # 21 is no class of these twenty


def test_what_is_wrong_loses_that_map_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        write_image(tmp_path / "images" / f"{name}.png", colour=(200, 0, 0))
    save(tmp_path / "labels" / "a.png", draw_labels(1), np.uint16)
    save(tmp_path / "labels" / "b.png", draw_labels(1)[:8], np.uint16)
    (tmp_path / "labels" / "c.png").write_bytes(b"no image")
    save(tmp_path / "labels" / "d.png", draw_labels(), np.uint16)
    samples = LabelMaps(root=str(tmp_path)).read()
    values = [samples[i]["instances"] for i in range(4)]
    assert [bool((value != UNKNOWN).any()) for value in values] == [True, False, False, True]
    assert [[each.what for each in samples.inspect(i)] for i in range(4)] == [
        [],
        ["instances of another shape than its image"],
        ["instances that cannot be read"],
        ["label map without an object"],
    ]


def test_what_cannot_be_meant_is_refused_in_words(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(CandelabraError, match=r"has no folders of images and masks"):
        LabelMaps(root=str(tmp_path)).read()
    save(tmp_path / "labels" / "a.png", draw_labels(1), np.uint16)
    with pytest.raises(CandelabraError, match="names several classes, but label maps say nothing of classes"):
        LabelMaps(root=str(tmp_path), classes=["cell", "debris"]).read()


def test_a_map_follows_its_image_when_it_is_decoded_smaller(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "a.jpg", (96, 64))
    save(tmp_path / "labels" / "a.png", draw_labels(1, 2).repeat(4, 0).repeat(4, 1), np.uint16)
    samples = LabelMaps(root=str(tmp_path)).read()
    small = samples.load(0, (16, 24))
    assert small["image"].shape == (3, 16, 24)
    assert torch.equal(unpack_numbers(small["instances"]), torch.from_numpy(draw_labels(1, 2)).int())


@pytest.mark.real
def test_real_pedestrians(real: Path) -> None:
    found = Auto(root=str(real / "format_samples" / "PennFudanPed"))
    assert found.match.name == "label_maps"
    samples = found.read()
    stated = [
        int(re.search(r"Objects with ground truth : (\d+)", path.read_text())[1])  # type: ignore[index]
        for path in sorted((real / "format_samples" / "PennFudanPed" / "Annotation").glob("*.txt"))
    ]
    assert [len(make_rows(samples[i]["instances"])) for i in range(5)] == stated
    assert treatments(found) == {}
