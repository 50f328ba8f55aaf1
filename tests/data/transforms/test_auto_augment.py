"""Labels move with pixels under every preset, every way of resizing and every operation."""

import math
import typing

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from candelabra.data.transforms.auto_augment import AUGMENT_TABLES, make_randaugment
from candelabra.data.transforms.pipeline import Augmentation, TransformPipeline, make_train_transforms
from candelabra.data.transforms.resize import RESIZE_METHODS, make_resize
from candelabra.data.transforms.sample_geometry import apply_geometry
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, Sample
from tests.data.builders import build_sample, make_labels

ALL = make_labels(box=True, keypoints=("left", "right"), mirror=(1, 0), mask_classes=("background", "thing", "dot"))
PRESETS = typing.get_args(Augmentation)
DOT = 3  # half its side


def scene(size: tuple[int, int] = (120, 90)) -> Sample:
    """A bright rectangle with a dot at each side, on noise that is darker; points and classes of pixels are known."""
    height, width = size
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(20, 60, (3, height, width), generator=generator, dtype=torch.uint8)
    mask = torch.zeros(size, dtype=torch.uint8)
    box = torch.tensor([0.25 * width, 0.3 * height, 0.75 * width, 0.75 * height]).round()
    left, top, right, bottom = box.int().tolist()
    image[:, top:bottom, left:right] = 150
    mask[top:bottom, left:right] = 1
    y = height // 2
    points = torch.tensor([[left + 10.0, y], [right - 11.0, y]])
    x = left + 10
    mask[y - DOT : y + DOT + 1, x - DOT : x + DOT + 1] = 2
    return build_sample(image, None, box, points, mask)


def check(made: Sample, boxed: bool, slack: float = 2.5) -> tuple[int, list[float]]:
    """Compares labels with each other; how often, and how well the mask goes with what is seen."""
    mask, compared = made["mask"], 0
    seen = mask != IGNORED
    if "box" in made and boxed and not made["box"].isnan().any():
        rows, columns = ((mask == 1) | (mask == 2)).nonzero().unbind(1)
        if len(rows) > 50:
            found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
            assert (found - made["box"]).abs().max() <= slack
            compared += 1
    dot = (mask == 2).nonzero().float()
    outside = functional.max_pool2d(((mask == 0) | (mask == IGNORED)).float()[None], 5, 1, 2)[0] > 0
    whole = bool(len(dot)) and dot.min() > 1 and (dot.amax(0) < torch.tensor(mask.shape) - 2).all()
    points = made["keypoints"][~made["keypoints"].isnan().any(1)]
    if whole and len(points) and not (outside & (mask == 2)).any():
        centre = dot.mean(0).flip(0)
        assert (points - centre).norm(dim=1).min() <= slack
        compared += 1
    grey = made["image"].float().mean(0)[seen]
    thing = (mask[seen] > 0).float()
    if grey.std() > 8 and thing.std() > 0.1:
        return compared, [float(torch.corrcoef(torch.stack([grey, thing]))[0, 1].abs())]
    return compared, []


@pytest.mark.parametrize("resize", RESIZE_METHODS)
@pytest.mark.parametrize("augment", PRESETS)
@pytest.mark.parametrize("targets", [("box", "keypoints", "mask"), ("keypoints", "mask")], ids=["box", "no box"])
def test_labels_move_with_pixels(augment: str, resize: str, targets: tuple[str, ...]) -> None:
    boxed = "box" in targets
    pipeline = make_train_transforms(augment, make_resize(resize, (96, 112)), ALL.only(targets), flip=True)
    compared, together = 0, []
    for seed in range(12):
        torch.manual_seed(seed)
        made = pipeline({key: value for key, value in scene().items() if key in ("image", *targets)})
        assert made["image"].shape == (3, 96, 112)
        assert (made["image"].dtype, made["mask"].dtype) == (torch.uint8, torch.uint8)
        more, alike = check(made, boxed)
        compared += more
        together += alike
    assert compared >= 6
    assert len(together) >= 6
    # Two changes of colour may leave the thing as bright as what is around it.
    assert sum(each > 0.75 for each in together) >= (0.7 if "augment" in augment else 1.0) * len(together)


@pytest.mark.parametrize("table", AUGMENT_TABLES)
@pytest.mark.parametrize("name", list(AUGMENT_TABLES["randaugment"]))
def test_every_operation_moves_all_alike(name: str, table: str) -> None:
    operation = AUGMENT_TABLES[table][name]
    changed = False
    for share in (0.25, 1.0, *([-0.25] if operation.signed else [])):
        made = TransformPipeline([lambda s, m=share: operation.change(s, ALL, operation.most * m)], ALL)(scene())
        _, together = check(made, boxed=not operation.turns)
        assert all(each > 0.75 for each in together)
        changed |= not torch.equal(made["image"], scene()["image"].as_subclass(Tensor))
        moved = not torch.equal(made["mask"], scene()["mask"].as_subclass(Tensor))
        assert moved == operation.moves
    assert changed == (name != "identity")


@pytest.mark.parametrize("name", list(AUGMENT_TABLES["randaugment"]))
def test_an_image_of_floats_is_changed_as_one_of_bytes(name: str) -> None:
    operation = AUGMENT_TABLES["randaugment"][name]
    steps = [lambda sample: operation.change(sample, ALL, operation.most / 2)]
    bytes_, floats = (
        TransformPipeline(steps, ALL)({**scene(), "image": image})["image"]
        for image in (scene()["image"], scene()["image"] / 255)
    )
    assert floats.dtype == torch.float32
    assert torch.allclose(bytes_ / 255, floats, atol=1.01 / 255)


def test_a_point_goes_where_the_pixel_goes_when_turned() -> None:
    made = TransformPipeline([lambda s: AUGMENT_TABLES["randaugment"]["rotate"].change(s, ALL, 30.0)], ALL)(
        scene((100, 100))
    )
    x, y = 35 - 50, 50 - 50  # the dot, from the middle; y goes down
    angle = math.radians(30)
    expected = torch.tensor([x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)]) + 50
    assert torch.equal((made["keypoints"][0] - expected).abs() < 1, torch.tensor([True, True]))


def test_where_boxes_are_labelled_nothing_is_turned() -> None:
    for name in ("randaugment", "trivialaugment", "strong"):
        words = repr(make_train_transforms(name, make_resize("stretch", (32, 32)), ALL, flip=True))
        free = repr(make_train_transforms(name, make_resize("stretch", (32, 32)), ALL.only(["mask"]), flip=True))
        assert words != free
        assert "RandomAffine" not in words
        assert ("RandomAffine" in free) == (name == "strong")
    policy = make_randaugment(True, ALL)
    assert len(policy.operations) == len(AUGMENT_TABLES["randaugment"]) - 3


def test_what_has_left_the_image_does_not_come_back_with_the_next_operation() -> None:
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    gone = build_sample(image, None, torch.tensor([[-20.0, 5, 10, 20]]), torch.tensor([[-5.0, 10], [20, 10]]))
    policy = make_randaugment(True, ALL)
    policy.operations, policy.count, policy.strength = [AUGMENT_TABLES["randaugment"]["translate_x"]], 1, 0.5
    torch.manual_seed(2)
    made = TransformPipeline([policy], ALL)(gone)
    assert made["keypoints"][0].isnan().all()
    assert made["box"].isnan().all()


def test_boxes_that_a_crop_leaves_out_are_not_labelled() -> None:
    """Torchvision's own clamping would leave a line on the edge of the image."""
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    pipeline = TransformPipeline([lambda s: apply_geometry(s, ALL, v2.functional.crop, 0, 40, 60, 40)], ALL)
    for box in ([2.0, 10, 20, 30], [45.0, 10, 58, 30]):
        assert pipeline(build_sample(image, None, torch.tensor(box)))["box"].isnan().all() == (box[0] < 40)


def test_erasing_changes_pixels_and_no_label() -> None:
    pipeline = make_train_transforms("none", make_resize("stretch", (96, 112)), ALL, flip=True, erase=1.0)
    plain = make_train_transforms("none", make_resize("stretch", (96, 112)), ALL, flip=True)
    torch.manual_seed(0)
    made, kept = pipeline(scene()), plain(scene())
    assert (plain.fixed, pipeline.fixed) == (True, False)
    for key in ("box", "keypoints", "mask"):
        assert torch.equal(made[key], kept[key])  # type: ignore[literal-required]
    different = (made["image"] != kept["image"]).any(0)
    assert 0.01 < different.float().mean() < 0.34
    assert (made["image"][:, different] == 128).all()


def test_presets_draw_what_seeds_say_and_no_more() -> None:
    for augment in PRESETS:
        pipeline = make_train_transforms(augment, make_resize("crop", (48, 48)), ALL, flip=True, erase=0.5)
        torch.manual_seed(4)
        one = pipeline(scene())
        torch.manual_seed(4)
        other = pipeline(scene())
        assert all(torch.equal(value(one, key), value(other, key)) for key in ("image", "box", "keypoints", "mask"))
        assert repr(pipeline) == repr(make_train_transforms(augment, make_resize("crop", (48, 48)), ALL, True, 0.5))
        assert " at 0x" not in repr(pipeline)


def value(made: Sample, key: str) -> Tensor:
    found: Tensor = made[key]  # type: ignore[literal-required]
    return found.nan_to_num(-1)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(CandelabraError, match=r"data.augment=heavy .* none, light, strong, randaugment, trivialaugm"):
        make_train_transforms("heavy", make_resize("crop", (48, 48)), ALL, flip=True)
