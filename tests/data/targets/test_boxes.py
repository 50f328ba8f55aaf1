"""Boxes of all objects: unlabelled and empty images, crops, batches, and sets that know different classes."""

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import DatasetPart, Shapes
from candelabra.data.samples import make_sample
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.data.transforms.batch_transforms import BatchTransforms
from candelabra.data.transforms.crop import RandomCrop, crop_and_resize
from candelabra.data.transforms.pipeline import make_eval_transforms, make_train_transforms
from candelabra.data.transforms.resize import Crop, Letterbox, Stretch
from candelabra.errors import CandelabraError

TARGET = BoxesTarget(("cat", "dog"))
SIZE = (40, 60)
EMPTY = torch.zeros(0, 6)
ROWS = torch.tensor([[10.0, 10, 30, 30, 0, 1], [0, 0, 60, 40, 1, 0], [40, 5, 60, 25, 1, 1]])


def _wrap(rows: torch.Tensor) -> torch.Tensor:
    return TARGET.wrap(rows, SIZE)


def test_an_image_without_objects_is_labelled_and_one_that_nobody_labelled_is_not() -> None:
    batch = TARGET.collate([EMPTY, TARGET.missing(SIZE), ROWS])
    assert batch.shape == (3, 3, 6)
    assert TARGET.is_labelled(batch).tolist() == [True, False, True]
    assert TARGET.is_labelled(TARGET.collate([EMPTY, EMPTY])).tolist() == [True, True]
    assert (TARGET.to_json(EMPTY), TARGET.to_json(TARGET.missing(SIZE))) == ([], None)
    assert not TARGET.is_labelled(TARGET.blank_like(EMPTY)[None]).any()
    assert not TARGET.is_labelled(TARGET.blank_like(TARGET.collate([EMPTY, EMPTY]))).any()


def test_both_stay_what_they_are_through_every_transform() -> None:
    labels = Labels(TARGET)
    image = torch.zeros(3, *SIZE, dtype=torch.uint8)
    for resize in (Stretch((32, 32)), Letterbox((32, 32)), Crop((32, 32))):
        for augment in ("none", "light", "strong", "randaugment", "trivialaugment"):
            pipeline = make_train_transforms(augment, resize, labels, flip=True)
            for seed in range(5):
                torch.manual_seed(seed)
                assert pipeline(make_sample(image, labels, {"boxes": EMPTY}))["boxes"].shape == (0, 6)
                missing = pipeline(make_sample(image, labels, {"boxes": TARGET.missing(SIZE)}))["boxes"]
                assert not TARGET.is_labelled(missing[None]).any()


def test_a_crop_cuts_objects_and_drops_those_of_which_little_is_left() -> None:
    part = (0, 0, 40, 14)  # a fifth of the first object's width is left
    kept = TARGET.clip(TARGET.crop_and_resize(_wrap(ROWS), part, (40, 14)), (40, 14))
    assert kept.tolist() == [[10, 10, 14, 30, 0, 1], [0, 0, 14, 40, 1, 0]]
    assert TARGET.min_visible == 4 / 20
    less = TARGET.clip(TARGET.crop_and_resize(_wrap(ROWS), (0, 0, 40, 13), (40, 13)), (40, 13))
    assert less.tolist() == [[0, 0, 13, 40, 1, 0]]  # regions stay, however small a part of them is left


def test_the_share_that_a_crop_must_leave_is_an_option_of_the_data() -> None:
    labels, image = Labels(TARGET.rename("things")), torch.zeros(3, *SIZE, dtype=torch.uint8)
    found = {}
    for share in (0.1, 0.3, 0.9):
        part = DatasetPart(Shapes(), size=40, resize="crop", min_visible=share)  # columns 10 to 50
        pipeline = part.make_transforms(labels, BatchTransforms(0.0, 0.0, None, 0))["test"]
        rows = torch.tensor([[2.0, 0, 12, 40, 0, 1], [45, 0, 55, 40, 1, 1], [0, 0, 11, 40, 0, 0]])
        found[share] = pipeline(make_sample(image, labels, {"things": rows}))["things"][:, :4].tolist()
    first, second, region = [0, 0, 2, 40], [35, 0, 40, 40], [0, 0, 1, 40]
    assert found == {0.1: [first, second, region], 0.3: [second, region], 0.9: [region]}
    with pytest.raises(CandelabraError, match=r"data.min_visible=20 is not a share"):
        DatasetPart(Shapes(), min_visible=20)


def test_two_crops_of_a_third_each_measure_the_share_of_what_was_left_before() -> None:
    rows = torch.tensor([[0.0, 0, 60, 40, 0, 1]])
    for _ in range(3):
        rows = TARGET.clip(TARGET.crop_and_resize(_wrap(rows), (0, 0, 40, 20), SIZE), SIZE).as_subclass(torch.Tensor)
    assert rows.tolist() == [[0, 0, 60, 40, 0, 1]]


def test_a_mirror_image_swaps_the_sides() -> None:
    assert TARGET.mirror(_wrap(ROWS), SIZE)[0].tolist() == [30, 10, 50, 30, 0, 1]


def test_rows_that_fill_a_batch_stay_when_it_is_resized() -> None:
    batch = TARGET.resize_batch(TARGET.collate([ROWS[:1], ROWS]), SIZE, (20, 30))
    assert batch[0].tolist() == [[5, 5, 15, 15, 0, 1], [-1.0] * 6, [-1.0] * 6]


def test_predictions_come_back_through_letterbox_without_rows_that_lie_in_its_margins() -> None:
    geometry = Letterbox((32, 32)).view(SIZE)
    found = torch.tensor([[2.0, 8, 10, 20, 1, 0.9], [0, 0, 32, 4, 0, 0.8], [-1.0] * 6])
    back = TARGET.to_original(found, geometry)
    assert len(back) == 1
    torch.testing.assert_close(back[0], torch.tensor([3.75, 5.5, 18.75, 28.0, 1, 0.9]), rtol=0, atol=1.0)


def test_a_prediction_is_a_list_of_named_objects() -> None:
    (found,) = TARGET.to_result(torch.tensor([[2.0, 8, 10, 20, 1, 0.75], [-1.0] * 6]))
    assert (found.name, found.score, found.box.xmax) == ("dog", 0.75, 10)
    assert TARGET.prediction_row(torch.tensor([[2.0, 8, 10, 20, 1, 0.75]])) == [
        "1",
        '[{"name": "dog", "score": 0.75, "box": [2.0, 8.0, 10.0, 20.0]}]',
    ]


def test_names_are_drawn_in_pictures_that_are_large_enough() -> None:
    small, large = Image.new("RGB", (64, 64)), Image.new("RGB", (640, 640))
    row = torch.tensor([[20.0, 20, 40, 40, 1, 0.5]])
    plain = np.asarray(TARGET.draw(Image.new("RGB", (640, 640)), torch.tensor([[20.0, 20, 40, 40, 1, 1]])))
    assert (np.asarray(TARGET.draw(large, row)) != plain).any()  # the score
    first = np.asarray(TARGET.draw(small, row))
    assert (first == np.asarray(BoxesTarget(("a", "b")).draw(Image.new("RGB", (64, 64)), row))).all()


def test_sets_that_know_different_classes_ignore_those_of_the_other() -> None:
    merged = TARGET.merge(BoxesTarget(("bird", "cat")))
    assert merged == BoxesTarget(("cat", "dog", "bird"))
    rows = merged.match_value(_wrap(torch.tensor([[1.0, 1, 9, 9, 1, 1]])), BoxesTarget(("bird", "cat")), SIZE)
    assert rows.tolist() == [[1, 1, 9, 9, 0, 1], [0, 0, 60, 40, 1, 0]]
    empty = merged.match_value(_wrap(EMPTY), TARGET, SIZE)
    assert empty.tolist() == [[0, 0, 60, 40, 2, 0]]
    assert not merged.is_labelled(merged.match_value(_wrap(TARGET.missing(SIZE)), TARGET, SIZE)[None]).any()


def test_random_crops_move_boxes_with_what_they_show() -> None:
    labels = Labels(TARGET)
    image = torch.zeros(3, 80, 120, dtype=torch.uint8)
    image[:, 20:60, 30:90] = 255
    rows = torch.tensor([[30.0, 20, 90, 60, 0, 1]])
    for seed in range(10):
        torch.manual_seed(seed)
        moved = RandomCrop(labels, (64, 64), scale=(0.5, 1.0))(make_sample(image, labels, {"boxes": rows}))
        left, top, right, bottom = (round(side) for side in TARGET.clip(moved["boxes"], (64, 64))[0, :4].tolist())
        seen = moved["image"].as_subclass(torch.Tensor)[0] > 127
        assert seen[top + 1 : bottom - 1, left + 1 : right - 1].all()
        assert seen.sum() <= (bottom - top + 2) * (right - left + 2)


def test_evaluation_keeps_objects_in_order() -> None:
    labels = Labels(TARGET)
    sample = make_sample(torch.zeros(3, *SIZE, dtype=torch.uint8), labels, {"boxes": ROWS})
    seen = make_eval_transforms(Stretch((20, 30)), labels)(sample)["boxes"]
    torch.testing.assert_close(seen, ROWS * torch.tensor([0.5, 0.5, 0.5, 0.5, 1, 1]))
    again = crop_and_resize(sample, labels, (0, 0, *SIZE), (20, 30))["boxes"].as_subclass(torch.Tensor)
    torch.testing.assert_close(again, seen)
