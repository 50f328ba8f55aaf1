from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from candelabra.backbones import Backbone, LeNet5, Timm
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.heads import FCOS
from candelabra.heads.box_assignment import match_boxes
from candelabra.heads.box_decoding import select_detections
from candelabra.heads.feature_pyramid import PYRAMID_STRIDES, FeaturePyramid

SIZE = (96, 128)
LABELS = Labels(BoxesTarget(("circle", "square")))
CIRCLE, SQUARE = [10.0, 10, 50, 60, 0, 1], [60.0, 20, 110, 80, 1, 1]
PADDING, UNLABELLED = [-1.0] * 6, [float("nan")] * 6
Build = partial(FCOS, width=32, layers=1)


@pytest.fixture
def outputs(backbone: Backbone) -> Tensor:
    """Those of four equal images, by a head whose scores are not all small."""
    with torch.no_grad():
        made: Tensor = Build(backbone, LABELS)(backbone.eval()(torch.rand(1, 3, *SIZE))).repeat(4, 1, 1)
    made[..., 4:6] = torch.randn(made[0, :, 4:6].shape, generator=torch.Generator().manual_seed(0))
    return made.requires_grad_()


def compute_loss(backbone: Backbone, outputs: Tensor, *images: list[list[float]]) -> tuple[Tensor, Tensor]:
    """The loss of each image, and the gradient of all."""
    rows = pad_sequence([torch.tensor(rows).view(-1, 6) for rows in images], batch_first=True, padding_value=-1)
    values = Build(backbone, LABELS).loss(outputs[: len(images)], rows, SIZE)
    (gradient,) = torch.autograd.grad(values.sum(), outputs)
    assert values.isfinite().all()
    assert gradient.isfinite().all()
    return values.detach(), gradient


def test_padding_changes_nothing(backbone: Backbone, outputs: Tensor) -> None:
    values, gradient = compute_loss(backbone, outputs, [CIRCLE], [CIRCLE, SQUARE], [], [CIRCLE, PADDING, PADDING])
    assert values[0] == values[3]
    assert torch.equal(gradient[0], gradient[3])
    for place, rows in enumerate(([CIRCLE], [CIRCLE, SQUARE], [])):
        alone, _ = compute_loss(backbone, outputs, rows)
        torch.testing.assert_close(alone[0], values[place])


def test_no_object_teaches_and_no_label_does_not(backbone: Backbone, outputs: Tensor) -> None:
    values, gradient = compute_loss(backbone, outputs, [], [UNLABELLED], [CIRCLE])
    assert values[0] > 0
    assert gradient[0, :, 4:6].min() > 0  # every score falls
    assert gradient[0, :, :4].abs().max() == 0
    assert values[1] == gradient[1].abs().max() == 0


@pytest.mark.parametrize("rows", [[], [CIRCLE]])
def test_every_parameter_has_a_gradient_whatever_is_in_the_image(rows: list[list[float]], backbone: Backbone) -> None:
    head = Build(backbone, LABELS)
    features = backbone(torch.rand(1, 3, *SIZE))
    head.loss(head(features), torch.tensor(rows).view(1, -1, 6), SIZE).sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize(
    "odd",
    [
        [20.0, 20, 20, 40, 0, 1],
        [40.0, 40, 20, 20, 0, 1],
        [200.0, 10, 260, 60, 1, 1],
        [-90.0, -90, -20, -20, 1, 1],
        [20.0, 20, float("inf"), 40, 0, 1],
    ],
    ids=["no area", "inside out", "right of the image", "left of it", "infinite"],
)
def test_a_box_that_is_none_does_no_harm(odd: list[float], backbone: Backbone, outputs: Tensor) -> None:
    values, gradient = compute_loss(backbone, outputs, [CIRCLE], [CIRCLE, odd], [odd], [])
    assert values[0] == values[1]
    assert torch.equal(gradient[0], gradient[1])
    assert values[2] == values[3]


def test_an_ignored_region_holds_no_negatives_of_its_class_and_all_of_others(
    backbone: Backbone, outputs: Tensor
) -> None:
    region = [0.0, 0, 64, 96, 0, 0]
    _, gradient = compute_loss(backbone, outputs, [], [region], [CIRCLE], [CIRCLE, [*region[:2], 128, 96, 0, 0]])
    left = outputs[0, :, -3] <= 64
    assert gradient[1, left, 4].abs().max() == 0
    assert torch.equal(gradient[1, ~left, 4], gradient[0, ~left, 4])
    assert torch.equal(gradient[1, :, 5], gradient[0, :, 5])
    taught = gradient[3, :, 4] != 0  # nobody looked for circles in the rest of the image; this one was found
    assert torch.equal(gradient[3, taught], gradient[2, taught])
    assert 0 < taught.sum() <= 10


def test_an_object_is_of_no_other_class_also_of_one_that_nobody_looked_for(backbone: Backbone, outputs: Tensor) -> None:
    _, gradient = compute_loss(backbone, outputs, [CIRCLE], [CIRCLE, [0.0, 0, 128, 96, 1, 0]])
    own = gradient[1, :, :4].abs().amax(1) > 0  # locations that learn the box
    assert 0 < own.sum() <= 10
    assert torch.equal(gradient[1, own], gradient[0, own])
    assert gradient[1, own, 5].min() > 0
    assert gradient[1, ~own, 5].abs().max() == 0


def test_a_whole_batch_of_nothing_has_a_loss(backbone: Backbone, outputs: Tensor) -> None:
    values, _ = compute_loss(backbone, outputs, [], [])
    assert values.shape == (2,)
    assert (Build(backbone, LABELS).loss(outputs, torch.full((4, 1, 6), torch.nan), SIZE) == 0).all()


@pytest.mark.parametrize("side", [3.0, 8.0, 40.0])
def test_each_object_gets_locations_however_small_it_is(side: float) -> None:
    locations = torch.cartesian_prod(torch.arange(4.0, 64, 8), torch.arange(4.0, 64, 8))
    found = torch.cat([locations - 8, locations + 8], 1)[None]
    rows = torch.tensor([[[31.0, 31, 31 + side, 31 + side, 1, 1], [0, 0, 20, 20, 0, 1]]])
    assigned = match_boxes(found, torch.full((1, 64, 2), 0.01), locations, rows)
    assert (assigned.quality[0] > 0).sum(0).min() >= 1
    assert ((assigned.quality[0] > 0).sum(1) <= 1).all()
    learns = assigned.quality[0, :, 1] > 0
    assert (assigned.boxes[0, learns] == rows[0, 0, :4]).all()
    torch.testing.assert_close(  # the best location is to score the IoU that it has
        assigned.quality[0, :, 1].max(), torch.tensor(min(side, 16.0) ** 2 / max(side, 16.0) ** 2), atol=0.1, rtol=0.5
    )


def test_objects_on_top_of_each_other_share_locations() -> None:
    locations = torch.cartesian_prod(torch.arange(4.0, 64, 8), torch.arange(4.0, 64, 8))
    found = torch.cat([locations - 20, locations + 20], 1)[None]
    rows = torch.tensor([[[0.0, 0, 64, 64, 0, 1], [16, 16, 48, 48, 1, 1]]])
    quality = match_boxes(found, torch.full((1, 64, 2), 0.1), locations, rows).quality[0]
    assert ((quality > 0).sum(1) <= 1).all()
    assert (quality > 0).sum(0).min() >= 1


def test_detections_are_the_best_of_each_class_and_place() -> None:
    boxes = torch.tensor([[[-5.0, 0, 20, 20], [0, 0, 20, 21], [50, 50, 90, 200], [10, 10, 10, 30], [0, 50, 9, 60]]])
    scores = torch.tensor([[[0.9, 0.3], [0.8, 0.2], [0.5, 0.04], [0.9, 0.9], [0.1, 0.01]]])
    both = select_detections(boxes.repeat(2, 1, 1), torch.cat([scores, scores / 100]), SIZE, 0.05, 0.6, 300)
    assert both[0].tolist() == [
        [0, 0, 20, 20, 0, pytest.approx(0.9)],
        [50, 50, 90, 96, 0, 0.5],
        [0, 0, 20, 20, 1, pytest.approx(0.3)],
        [0, 50, 9, 60, 0, pytest.approx(0.1)],
    ]
    assert (both[1] == -1).all()
    assert select_detections(boxes, scores, SIZE, 0.05, 0.6, 2).shape == (1, 2, 6)
    assert select_detections(boxes, scores * 0, SIZE, 0.05, 0.6, 300).shape == (1, 0, 6)


@pytest.mark.parametrize(
    ("name", "size"),
    [("test_vit", (64, 96)), ("test_resnet", (70, 93)), ("test_convnext", (32, 32)), ("lenet5", (70, 93))],
)
def test_each_backbone_has_a_pyramid(name: str, size: tuple[int, int]) -> None:
    backbone = LeNet5() if name == "lenet5" else Timm(name, weights="none")
    levels = FeaturePyramid(backbone, 16).eval()(backbone.eval()(torch.rand(1, 3, *size)))
    expected = [(1, 16, -(-size[0] // s), -(-size[1] // s)) for s in PYRAMID_STRIDES]
    assert [tuple(level.shape) for level in levels] == expected


@pytest.mark.parametrize("width", [6, 32, 130])
def test_one_small_image_trains(width: int, backbone: Backbone) -> None:
    """The coarsest level is one pixel then."""
    head = FCOS(backbone, LABELS, width=width)
    values = head.loss(head(backbone(torch.rand(1, 3, 64, 64))), torch.tensor([[CIRCLE]]), (64, 64))
    assert values.isfinite().all()


def test_bfloat16_keeps_boxes_and_losses_in_float32(backbone: Backbone) -> None:
    head = Build(backbone, LABELS)
    images, rows = torch.rand(2, 3, *SIZE), torch.tensor([[CIRCLE, SQUARE], [CIRCLE, PADDING]])
    with torch.autocast("cpu", torch.bfloat16):
        outputs = head(backbone(images))
        values = head.loss(outputs, rows, SIZE)
        found = head.predict(outputs, SIZE)
    assert (outputs.dtype, values.dtype, found.dtype) == (torch.float32,) * 3
    assert torch.equal(values, head.loss(outputs, rows, SIZE))
    values.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_it_learns_the_objects_of_a_few_images(backbone: Backbone) -> None:
    images, rows = torch.full((4, 3, *SIZE), 0.2), torch.full((4, 2, 6), -1.0)
    for place, count in enumerate((1, 2, 2, 0)):
        for number in range(count):
            left, top = 6 + 24 * place + 34 * number, 10 + 12 * place
            box = [left, top, left + 30 + 6 * number, top + 36]
            images[place, :, box[1] : box[3], box[0] : box[2]] = torch.tensor([0.9, 0.1 + 0.7 * number, 0.1]).view(
                3, 1, 1
            )
            rows[place, number] = torch.tensor([*box, number, 1.0])
    head = FCOS(backbone, LABELS, width=32, layers=1)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *head.parameters()], lr=6e-3)
    for _ in range(40):
        optimizer.zero_grad()
        head.loss(head(backbone(images)), rows, SIZE).mean().backward()
        optimizer.step()
    metrics = head.metrics()
    with torch.no_grad():
        outputs = head.eval()(backbone.eval()(images))
    head.measure(metrics, outputs, rows, SIZE)
    assert metrics["detections"].compute()["map50"] > 0.9
    found = head.predict(outputs, SIZE)
    assert (found[3, :, 5] < 0.3).all()
