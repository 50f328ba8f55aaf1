"""Maps of objects: what their numbers say, and the masks of predictions in pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks
from torch import Tensor

from candelabra.data.decoding.mask_cells import MASK_SIDE
from candelabra.data.targets import InstancesTarget, ResizeGeometry
from candelabra.data.targets.instance_maps import (
    MOST_CLASSES,
    MOST_OBJECTS,
    MOST_UNKNOWN,
    UNKNOWN,
    list_codes,
    make_rows,
    number_objects,
    pack_object,
    pack_unknown,
    unpack_classes,
    unpack_numbers,
)
from candelabra.data.targets.object_masks import clip_masks, encode_run_lengths, paste_mask
from candelabra.errors import CandelabraError

TARGET = InstancesTarget(("cell", "debris"))
SIZE = (40, 60)


def draw_map(*objects: tuple[int, int, int, int, int]) -> Tensor:
    """Rectangles of (left, top, right, bottom, code)."""
    value = torch.zeros(SIZE, dtype=torch.int32)
    for left, top, right, bottom, code in objects:
        value[top:bottom, left:right] = code
    return value


def make_prediction(box: tuple[float, ...], cells: Tensor | None = None, number: int = 0, score: float = 0.9) -> Tensor:
    cells = torch.ones(MASK_SIDE, MASK_SIDE) if cells is None else cells
    return torch.cat([torch.tensor([*box, number, score]), cells.flatten()])[None]


def test_numbers_hold_object_class_and_crowd_exactly_also_as_float32() -> None:
    codes = [
        pack_object(number, place, crowd)
        for number in (1, 2, MOST_OBJECTS)
        for place in (0, 7, MOST_CLASSES - 1)
        for crowd in (False, True)
    ]
    assert len(set(codes)) == 18
    assert torch.tensor(codes).float().int().tolist() == codes
    assert unpack_numbers(torch.tensor(codes)).tolist()[::6] == [1, 2, MOST_OBJECTS]
    assert unpack_classes(torch.tensor(codes)).tolist()[:6:2] == [0, 7, MOST_CLASSES - 1]
    assert pack_unknown(range(MOST_UNKNOWN)) > -(2**24)


def test_rows_are_the_boxes_of_objects_crowds_and_unknown_classes() -> None:
    value = draw_map((4, 6, 20, 30, pack_object(1, 1)), (30, 2, 50, 9, pack_object(2, 0, crowd=True)))
    assert make_rows(value).tolist() == [[4, 6, 20, 30, 1, 1], [30, 2, 50, 9, 0, 0]]
    value[value == 0] = pack_unknown([1])
    assert make_rows(value).tolist()[2:] == [[0, 0, SIZE[1], SIZE[0], 1, 0]]
    assert make_rows(torch.full(SIZE, UNKNOWN)).isnan().all()
    assert make_rows(torch.zeros(SIZE, dtype=torch.int32)).shape == (0, 6)


def test_an_object_in_two_parts_is_one_object() -> None:
    value = draw_map((4, 6, 10, 12, pack_object(3, 0)), (30, 20, 40, 30, pack_object(3, 0)))
    codes, boxes = list_codes(value)
    assert (codes.tolist(), boxes.tolist()) == ([pack_object(3, 0)], [[4, 6, 40, 30]])


def test_objects_are_numbered_and_take_the_class_of_most_of_their_pixels() -> None:
    labels, classes = np.zeros((4, 6), np.int64), np.zeros((4, 6), np.int64)
    labels[:2, :3], labels[2:, 3:], labels[3, 0] = 700, 65535, -1
    classes[:2, :2], classes[2:, 3:] = 1, 1
    value = number_objects(labels, classes)
    assert value[0, 0] == pack_object(1, 1)
    assert value[3, 5] == pack_object(2, 1)
    assert (int(value[3, 0]), int(value[0, 5])) == (UNKNOWN, 0)
    many = number_objects(np.arange(100 * 100).reshape(100, 100), np.array(0))
    assert int(unpack_numbers(many).max()) == MOST_OBJECTS
    assert (many == UNKNOWN).sum() == 100 * 100 - 1 - MOST_OBJECTS


def test_a_mask_covers_the_pixels_whose_centres_are_in_its_box() -> None:
    top, left, inside = paste_mask(make_prediction((10.6, 5.4, 20.4, 9.6))[0])
    whole = paste_mask(make_prediction((10.6, 5.4, 20.4, 9.6))[0]).spread(SIZE)
    assert (top, left, inside.shape) == (5, 10, (5, 11))
    rows, columns = np.nonzero(whole)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 9, 11, 19)
    half = torch.zeros(MASK_SIDE, MASK_SIDE)
    half[:, : MASK_SIDE // 2] = 1
    whole = paste_mask(make_prediction((10.0, 0.0, 30.0, 10.0), half)[0]).spread(SIZE)
    assert whole[:10, 10:20].all()
    assert whole.sum() == 100


def test_cutting_a_box_at_the_border_does_not_move_its_mask() -> None:
    grid = torch.arange(MASK_SIDE).float() + 0.5
    disk = ((grid[:, None] - 14) ** 2 + (grid - 14) ** 2 < 12**2).float()
    moved = make_prediction((-8.0, -6.0, 32.0, 34.0), disk)
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    true = (columns - 12) ** 2 + (rows - 14) ** 2 < (12 / 28 * 40) ** 2
    found = paste_mask(clip_masks(moved, SIZE)[0]).spread(SIZE)
    assert (found & true).sum() / (found | true).sum() > 0.97
    assert clip_masks(make_prediction((70.0, 0, 80, 10)), SIZE).shape[0] == 0


def test_a_prediction_comes_back_in_pixels_of_the_original_image() -> None:
    geometry = ResizeGeometry((80, 120), (20, 30), (5, 0), (30, 30))
    back = TARGET.to_original(make_prediction((10, 10, 20, 20)), geometry)
    assert back[0, :4].tolist() == [40, 20, 80, 60]
    filled = torch.cat([make_prediction((10, 10, 20, 20)), torch.full((1, 6 + MASK_SIDE**2), -1.0)])
    assert len(TARGET.to_original(filled, geometry)) == 1


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # of pycocotools
def test_run_lengths_are_those_of_coco() -> None:
    inside = np.random.default_rng(0).random((17, 23)) > 0.6
    found = encode_run_lengths(inside)
    assert json.loads(json.dumps(found)) == found
    assert (coco_masks.decode(found) == inside).all()


def test_results_tables_and_label_maps_of_predictions_agree(tmp_path: Path) -> None:
    value = torch.cat([make_prediction((2, 3, 12, 13), number=1), make_prediction((8, 3, 20, 13), score=0.5)])
    TARGET.save_prediction(value, tmp_path, "one", SIZE)
    numbers = np.asarray(Image.open(tmp_path / "instances" / "one.png"))
    assert numbers.dtype == np.uint16
    assert [(numbers == place).sum() for place in (1, 2)] == [100, 80]  # the more certain one is in front
    first, second = TARGET.to_coco(value, SIZE)
    assert (first["category_id"], first["bbox"], first["area"]) == (2, [2, 3, 10, 10], 100)
    assert coco_masks.area(second["segmentation"]) == second["area"] == 120
    result = TARGET.to_result(value)[0]
    assert (result.name, str(result)) == ("debris", "debris 0.90 at 2.0 3.0 12.0 13.0, 100 pixels")
    assert result.mask.spread(SIZE).sum() == 100
    assert TARGET.prediction_row(value)[0] == "2"


def test_a_union_has_the_classes_of_all_and_says_what_nobody_looked_for() -> None:
    other = InstancesTarget(("nucleus", "cell"))
    both = TARGET.merge(other)
    assert both is not None
    assert both.classes == ("cell", "debris", "nucleus")
    value = draw_map((4, 6, 20, 30, pack_object(1, 1)), (0, 0, 2, 2, UNKNOWN))
    moved = both.match_value(value, other, SIZE)
    assert moved[10, 10] == pack_object(1, 0)
    assert (int(moved[0, 0]), int(moved[39, 59])) == (UNKNOWN, pack_unknown([1]))
    third = InstancesTarget(("debris", "cell", "dust"))
    three = both.merge(third)
    assert three is not None
    assert make_rows(three.match_value(moved, both, SIZE))[1:, 4].tolist() == [1, 3]
    assert make_rows(both.match_value(torch.full(SIZE, UNKNOWN), other, SIZE)).isnan().all()
    assert InstancesTarget(tuple(map(str, range(30)))).merge(InstancesTarget(("0",))) is None


def test_more_classes_than_a_map_can_hold_are_refused() -> None:
    with pytest.raises(CandelabraError, match=r"1024 classes, but there are 1025; choose some with data\.classes"):
        InstancesTarget(tuple(map(str, range(MOST_CLASSES + 1))))
