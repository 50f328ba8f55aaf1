"""Stated sizes that differ from the file's: all labels of an image move together, or are reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from candelabra.data import Coco
from candelabra.data.samples import Samples
from tests.data.files import treatments, write_image

BOX = [4, 2, 8, 6]  # of an image of 40 x 20, as XYWH
RING = [4, 2, 12, 2, 12, 8, 4, 8]
SCALED = "stated size is not that of the file, labels scaled: repaired"
TURNED = "stated size is that of the image before EXIF turned it, labels turned as well: repaired"
WRONG = "stated size is not that of the file, which the labels fit: used as they are: used"
MISSHAPEN = "stated size has another shape than the file, labels of places not used: unlabelled"


def make(root: Path, file: tuple[int, int], stated: tuple[int, int], orientation: int = 1, **more: Any) -> Coco:
    """One image; the file as it is stored, without EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    (root / "images").mkdir(parents=True)
    Image.new("RGB", file).save(root / "images" / "a.jpg", exif=exif)
    note = {"image_id": 1, "category_id": 1, "bbox": BOX, "keypoints": [4, 2, 2], "segmentation": [RING], **more}
    listed = {"id": 1, "file_name": "a.jpg", "width": stated[0], "height": stated[1]}
    kind = {"id": 1, "name": "cat", "keypoints": ["nose"]}
    document = {"images": [listed], "annotations": [note], "categories": [kind]}
    (root / "a.json").write_text(json.dumps(document))
    return Coco(root=str(root))


def corners(samples: Samples) -> tuple[list[float], list[float], list[int]]:
    """Box, point, and the first and last column and row of the mask."""
    sample = samples[0]
    rows, columns = np.nonzero(sample["mask"].numpy() == 1)
    ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else []
    return sample["box"].flatten().tolist(), sample["keypoints"].flatten().tolist(), [int(end) for end in ends]


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_labels_are_scaled_together(tmp_path: Path, factor: float) -> None:
    data = make(tmp_path, (int(40 * factor), int(20 * factor)), (40, 20))
    box, point, mask = corners(data.read())
    assert box == [4 * factor, 2 * factor, 12 * factor, 8 * factor]
    assert point == [4 * factor, 2 * factor]
    assert np.abs(np.array(mask) - box).max() <= 1
    assert treatments(data) == ({} if factor == 1 else {SCALED: ["images/a.jpg"]})


@pytest.mark.parametrize(("orientation", "point"), [(5, [2, 4]), (6, [18, 4]), (7, [18, 36]), (8, [2, 36])])
def test_labels_are_turned_together(tmp_path: Path, orientation: int, point: list[float]) -> None:
    data = make(tmp_path, (40, 20), (40, 20), orientation)
    box, found, mask = corners(data.read())
    assert found == point
    assert box[2] - box[0] == 6
    assert box[3] - box[1] == 8
    assert np.abs(np.array(mask) - box).max() <= 1
    assert treatments(data) == {TURNED: ["images/a.jpg"]}


def test_labels_that_fit_the_file_and_not_the_stated_size_are_used_as_they_are(tmp_path: Path) -> None:
    data = make(
        tmp_path, (40, 20), (20, 40), bbox=[24, 2, 8, 6], keypoints=[30, 2, 2], segmentation=[[24, 2, 32, 2, 32, 8]]
    )
    box, point, mask = corners(data.read())
    assert (box, point) == ([24, 2, 32, 8], [30, 2])
    assert mask[0] >= 23
    assert treatments(data) == {WRONG: ["images/a.jpg"]}


@pytest.mark.parametrize(("count", "found"), [(11, [8, 4, 24, 16]), (10, [4, 2, 12, 8])])
def test_one_label_outside_of_its_stated_size_does_not_stop_the_scaling_of_others(
    tmp_path: Path, count: int, found: list[float]
) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 40, "height": 20} for number in range(count)]
    notes = [{"image_id": number, "category_id": 1, "bbox": BOX} for number in range(count)]
    notes[-1]["bbox"] = [41, 2, 4, 6]
    for image in images:
        write_image(tmp_path / "images" / image["file_name"], (80, 40))
    document = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "cat"}]}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert Coco(root=str(tmp_path)).read()[0]["box"].flatten().tolist() == found


def test_labels_of_a_size_of_another_shape_have_no_place(tmp_path: Path) -> None:
    data = make(tmp_path, (40, 20), (30, 30))
    known = data.read().labelled()
    assert {name: bool(rows[0]) for name, rows in known.items()} == {"label": True, "keypoints": False}
    assert treatments(data) == {MISSHAPEN: ["images/a.jpg"]}


@pytest.mark.parametrize(("orientation", "left"), [(6, True), (1, False)])
def test_an_outline_that_is_a_mask_has_the_shape_of_the_image(tmp_path: Path, orientation: int, left: bool) -> None:
    outline = {"size": [20, 40], "counts": [0, 20 * 4, 20 * 36]}  # the left 4 columns of 40 x 20
    file, stated = ((40, 20), (20, 40)) if orientation == 6 else ((20, 40), (20, 40))
    data = make(tmp_path, file, stated, orientation, segmentation=outline)
    samples = data.read()
    assert ("mask" in samples.labelled()) == left
    if left:
        assert corners(samples)[2] == [0, 0, 20, 4]
    assert len(treatments(data)) == 1


def test_shares_of_the_image_are_recognized_label_by_label(tmp_path: Path) -> None:
    data = make(tmp_path, (40, 20), (40, 20), bbox=[0.1, 0.1, 0.2, 0.3], keypoints=[0.1, 0.1, 2])
    box, point, mask = corners(data.read())
    assert np.allclose(box, [4, 2, 12, 8])
    assert np.allclose(point, [4, 2])
    assert np.abs(np.array(mask) - box).max() <= 1
    assert treatments(data) == {"coordinates are shares of the image, scaled to pixels: repaired": ["."]}


def test_outlines_that_are_shares_are_drawn_in_place(tmp_path: Path) -> None:
    data = make(tmp_path, (40, 20), (40, 20), segmentation=[[0.1, 0.1, 0.3, 0.1, 0.3, 0.4, 0.1, 0.4]])
    box, _, mask = corners(data.read())
    assert np.abs(np.array(mask) - box).max() <= 1


def test_one_place_outside_makes_no_pixels_of_shares(tmp_path: Path) -> None:
    data = make(tmp_path, (40, 20), (40, 20), keypoints=None, segmentation=None)
    document = json.loads((tmp_path / "a.json").read_text())
    kept = {"image_id": 1, "category_id": 1, "bbox": [0.1, 0.1, 0.2, 0.3]}
    document["annotations"] = [kept | {"bbox": [0.1, 0.1, 0.2, 0.3 - 0.01 * number]} for number in range(6)]
    document["annotations"] += [kept | {"bbox": [-0.01, 0.1, 0.2, 1.5]}]
    (tmp_path / "a.json").write_text(json.dumps(document))
    boxes = data.read()[0]["boxes"][:, :4]
    assert len(boxes) == 7
    assert np.allclose(boxes[[0, 6]], [[4, 2, 12, 8], [0, 2, 7.6, 20]])
