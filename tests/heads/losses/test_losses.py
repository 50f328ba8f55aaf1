"""Losses against their definitions."""

import math

import pytest
import torch
from torchvision.ops import generalized_box_iou_loss

from candelabra.errors import CandelabraError
from candelabra.heads.losses import (
    SmoothL1,
    Wing,
    compute_class_weights,
    find_boundaries,
    focal_cross_entropy,
    giou_loss,
    lovasz_loss,
    soft_dice_loss,
)


def test_smooth_l1_is_torchs_in_tenths_of_a_side() -> None:
    errors = torch.linspace(-0.3, 0.3, 61)
    expected = torch.nn.functional.smooth_l1_loss(errors * 10, torch.zeros(61), reduction="none", beta=0.1)
    torch.testing.assert_close(SmoothL1(0.01)(errors), expected)


def test_wing_follows_the_paper_and_is_continuous() -> None:
    wing = Wing(0.04, 0.008)
    assert float(wing(torch.tensor(0.01))) == pytest.approx(10 * 0.04 * math.log1p(0.01 / 0.008))
    below, above = wing(torch.tensor([0.04 - 1e-6, 0.04 + 1e-6]))
    assert float(below) == pytest.approx(float(above), abs=1e-3)
    assert float(wing(torch.tensor(1.0)) - wing(torch.tensor(0.5))) == pytest.approx(5)


def test_soft_dice_of_each_sample_without_ignored_pixels() -> None:
    target = torch.tensor([[[0, 0, 1, 255]], [[1, 1, 1, 1]]])
    perfect = torch.nn.functional.one_hot(target.clamp(max=1), 2).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(soft_dice_loss(perfect, target), torch.zeros(2))
    assert soft_dice_loss(1 - perfect, target).min() > 0.6
    changed = perfect.clone()
    changed[0, :, 0, 3] = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(soft_dice_loss(changed, target), soft_dice_loss(perfect, target))


def test_giou_is_torchvisions_for_boxes_in_order() -> None:
    boxes, others = torch.rand(2, 50, 2, 2).sort(2).values.flatten(2)
    torch.testing.assert_close(giou_loss(boxes, others), generalized_box_iou_loss(boxes, others), atol=1e-5, rtol=1e-5)


def test_giou_of_a_box_inside_out_stays_in_range() -> None:
    wanted = torch.tensor([[0.35, 0.2, 0.65, 0.5]]).expand(2000, 4)
    values = giou_loss(torch.rand(2000, 4) * 3 - 1, wanted)
    assert float(values.min()) >= 0
    assert float(values.max()) <= 2


@pytest.mark.parametrize("make", [lambda: SmoothL1(0), lambda: Wing(width=-1), lambda: Wing(epsilon=0)])
def test_lengths_must_be_above_zero(make: object) -> None:
    with pytest.raises(CandelabraError, match="above 0"):
        make()  # type: ignore[operator]


def test_class_weights_are_those_of_the_paper_with_a_mean_of_1() -> None:
    counts = torch.tensor([90, 9, 1, 0])
    weights = compute_class_weights(counts)
    expected = [1 / math.log(1.02 + share) for share in (0.9, 0.09, 0.01, 0.0)]
    torch.testing.assert_close(weights / weights[0], torch.tensor(expected) / expected[0])
    assert float((weights * counts).sum() / counts.sum()) == pytest.approx(1)
    assert compute_class_weights(torch.zeros(2)).isfinite().all()


def test_focal_cross_entropy_follows_the_paper() -> None:
    torch.manual_seed(0)
    logits, target, weights = torch.randn(2, 3, 4, 5), torch.randint(0, 3, (2, 4, 5)), torch.tensor([1.0, 2.0, 0.5])
    target[0, 0, 0] = 255
    plain = torch.nn.functional.cross_entropy(logits, target, weights, ignore_index=255, reduction="none")
    torch.testing.assert_close(focal_cross_entropy(logits, target, weights), plain)
    sure = logits.softmax(1).gather(1, target.where(target != 255, 0).unsqueeze(1)).squeeze(1)
    focal = focal_cross_entropy(logits, target, weights, gamma=2)
    torch.testing.assert_close(focal, plain * (1 - sure) ** 2)
    assert focal[0, 0, 0] == 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_cross_entropy_has_a_gradient_where_the_model_is_certain(gamma: float) -> None:
    logits = torch.tensor([[[[100.0]], [[-100.0]]]], requires_grad=True)
    focal_cross_entropy(logits, torch.zeros(1, 1, 1, dtype=torch.long), gamma=gamma).sum().backward()
    assert logits.grad.isfinite().all()


def test_boundaries_lie_within_a_distance_of_another_class() -> None:
    target = torch.zeros(1, 1, 9, dtype=torch.long)
    target[..., 4:] = 1
    target[..., 8] = 255
    assert find_boundaries(target, radius=1).int().tolist() == [[[0, 0, 0, 1, 1, 0, 0, 0, 0]]]
    assert find_boundaries(target).int().tolist() == [[[0, 0, 1, 1, 1, 1, 0, 0, 0]]]
    assert not find_boundaries(torch.full((1, 3, 3), 255)).any()


def test_lovasz_of_each_sample_is_one_minus_iou_of_hard_guesses() -> None:
    target = torch.tensor([[[0, 0, 1, 1]], [[1, 1, 1, 255]], [[255] * 4]])
    guess = torch.tensor([[[0, 1, 1, 1]], [[1, 1, 1, 0]], [[0] * 4]])
    logits = (torch.nn.functional.one_hot(guess, 2).permute(0, 3, 1, 2) * 200 - 100).float().requires_grad_()
    loss = lovasz_loss(logits, target)
    torch.testing.assert_close(loss, torch.tensor([1 - (1 / 2 + 2 / 3) / 2, 0.0, 0.0]))
    loss.sum().backward()
    assert logits.grad.isfinite().all()
