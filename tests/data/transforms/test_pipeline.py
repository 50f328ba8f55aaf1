"""One geometric transform moves everything together, and sided points swap."""

import pytest
import torch
from torch import Tensor

from candelabra.data.samples import make_sample
from candelabra.data.targets import Labels
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.data.transforms.pipeline import (
    Augmentation,
    RandomMirror,
    TransformPipeline,
    make_eval_transforms,
    make_train_transforms,
)
from candelabra.data.transforms.resize import RESIZE_METHODS, Stretch, make_resize
from candelabra.types import Sample
from tests.data.builders import FOUR, build_sample, make_labels

FOUR_SIDED = make_labels(
    classes=("a", "b"), box=True, keypoints=("left", "right", "none"), mirror=(1, 0, 2), mask_classes=("black", "white")
)


def scene() -> Sample:
    """A white rectangle, whose box, corner points and mask are known."""
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    image[:, 20:40, 10:50] = 255
    return build_sample(
        image,
        torch.tensor(1),
        torch.tensor([10.0, 20, 50, 40]),
        torch.tensor([[10.0, 30], [49, 30], [float("nan")] * 2]),
        (image[0] > 0).to(torch.uint8),
    )


def box_of(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()


def test_evaluation_stretches_all_alike() -> None:
    made = make_eval_transforms(Stretch((120, 40)), FOUR)(scene())
    assert made["image"].shape == (3, 120, 40)
    assert made["box"].tolist() == [5, 40, 25, 80]
    assert made["keypoints"][:2].tolist() == [[5, 60], [24.5, 60]]
    assert made["keypoints"][2].isnan().all()
    assert box_of(made["mask"]).tolist() == [5, 40, 25, 80]
    assert all(type(value) is torch.Tensor for value in made.values())


def test_light_moves_image_box_points_and_mask_together() -> None:
    pipeline = make_train_transforms("light", Stretch((64, 64)), FOUR_SIDED, flip=True)
    for seed in range(30):
        torch.manual_seed(seed)
        made = pipeline(scene())
        if made["box"].isnan().any() or not made["mask"].any():
            continue
        assert (made["box"] - box_of(made["mask"])).abs().max() <= 2.5
        bright = (made["image"].float().mean(0) > 100).to(torch.uint8)
        assert (bright != made["mask"]).float().mean() < 0.06
        left, right = made["keypoints"][0], made["keypoints"][1]
        if not (left.isnan().any() or right.isnan().any()):
            assert left[0] < right[0]  # the left point is left in the mirror image too
            assert abs(left[0] - made["box"][0]) <= 2.5


def test_a_mirror_image_swaps_sided_points() -> None:
    made = RandomMirror(FOUR_SIDED, share=1.0)(scene())
    assert made["keypoints"][0].tolist() == [31, 30]
    assert made["keypoints"][1].tolist() == [70, 30]  # like the edge of the box
    assert made["box"].tolist() == [[30, 20, 70, 40]]
    assert not RandomMirror(FOUR_SIDED, share=0.0)(scene())["mask"][25, 60]


def test_what_leaves_the_image_is_no_longer_labelled() -> None:
    made = TransformPipeline([], FOUR)(
        build_sample(
            torch.zeros(3, 10, 10, dtype=torch.uint8),
            None,
            torch.tensor([8.0, 8, 30, 30]),
            torch.tensor([[-1.0, 5], [5, 5]]),
        )
    )
    assert made["box"].isnan().all()
    assert made["keypoints"].isnan().all(1).tolist() == [True, False]


@pytest.mark.parametrize("word", RESIZE_METHODS)
@pytest.mark.parametrize("augment", ["none", "light", "strong"])
def test_floats_are_filled_and_changed_as_bytes_are(augment: Augmentation, word: str) -> None:
    """A reader may give images as floats in [0, 1]; all that fills and colours has to know."""
    torch.manual_seed(0)
    image = torch.nn.functional.interpolate(torch.randint(0, 256, (1, 3, 5, 9)).float(), scale_factor=8)[0].byte()
    plain = make_train_transforms(augment, make_resize(word, (32, 32)), Labels(), flip=True, erase=1.0)
    made: list[Tensor] = []
    for given in (image, image.float() / 255):
        torch.manual_seed(1)
        made.append(jitter_batch(plain(make_sample(given)))["image"])
    assert [each.dtype for each in made] == [torch.uint8, torch.float32]
    most = {"none": 1, "light": 2, "strong": 6}[augment]  # colours enlarge what was rounded before
    assert (made[0].float() / 255 - made[1]).abs().max() <= most / 255
