"""Measures tell good maps of evidence from bad ones."""

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.data.targets import BoxesTarget, BoxTarget, LabelTarget, MaskTarget
from candelabra.explain import HeadNetwork, explain_image
from candelabra.explain.measures import compute_rank_correlation, is_pointing_inside, measure_curves, measure_drop
from candelabra.explain.network import ScoredMaps, ScoredNetwork
from candelabra.explain.randomisation import copy_with_random_weights
from tests.explain.models import LABELS, extract, make_head


class BrightCorner(ScoredNetwork):
    """Is as certain as the upper left quarter of an image is bright."""

    words = "bright"
    baseline = torch.zeros(3, 1, 1)

    def run(self, images: Tensor) -> ScoredMaps:
        half = images.shape[2] // 2
        return ScoredMaps({"final": images}, images[:, :, :half, :half].mean((1, 2, 3)))

    def measure_confidence(self, images: Tensor) -> Tensor:
        return self.run(images).scores.detach()


def make_heat(*place: int) -> Tensor:
    heat = torch.zeros(4, 4)
    heat[place[0] : place[0] + 2, place[1] : place[1] + 2] = 1
    return heat


def test_the_right_map_deletes_faster_and_drops_less() -> None:
    image = torch.ones(3, 32, 32)
    right, wrong = make_heat(0, 0), make_heat(2, 2)
    good, bad = measure_curves(BrightCorner(), image, right), measure_curves(BrightCorner(), image, wrong)
    assert good.deletion < 0.25 < 0.5 < bad.deletion
    assert measure_drop(BrightCorner(), image, right) < 0.2
    assert measure_drop(BrightCorner(), image, wrong) > 0.9


def test_inserting_the_right_pixels_first_is_better() -> None:
    torch.manual_seed(0)
    image = torch.zeros(3, 32, 32)
    image[:, ::2, ::2] = 1
    image[:, 16:] = 0
    good = measure_curves(BrightCorner(), image, make_heat(0, 0))
    bad = measure_curves(BrightCorner(), image, make_heat(2, 2))
    assert good.insertion >= bad.insertion


def test_the_pointing_game_counts_the_largest_value() -> None:
    region = torch.zeros(32, 32, dtype=torch.bool)
    region[:16, :16] = True
    assert is_pointing_inside(make_heat(0, 0), region)
    assert not is_pointing_inside(make_heat(2, 2), region)
    assert not is_pointing_inside(torch.zeros(4, 4), torch.ones(32, 32, dtype=torch.bool))


def test_regions_are_what_targets_label() -> None:
    box = BoxTarget().find_region(torch.tensor([2.0, 1.0, 5.0, 3.0]), (6, 8))
    assert box is not None
    assert (int(box.sum()), bool(box[1, 2]), bool(box[3, 2])) == (6, True, False)
    assert BoxTarget().find_region(torch.full((4,), torch.nan), (6, 8)) is None
    rows = torch.tensor([[0.0, 0.0, 2.0, 2.0, 1.0, 1.0], [4.0, 4.0, 6.0, 6.0, 0.0, 0.0], [-1.0] * 6])
    boxes = BoxesTarget(("a", "b")).find_region(rows, (6, 8))
    assert boxes is not None
    assert int(boxes.sum()) == 4
    mask = MaskTarget(("background", "pet")).find_region(torch.tensor([[0, 1], [255, 0]], dtype=torch.uint8), (2, 2))
    assert mask is not None
    assert mask.tolist() == [[False, True], [False, False]]
    assert LABELS[LabelTarget].find_region(torch.tensor(1), (2, 2)) is None


def test_a_random_copy_differs_and_leaves_the_network_alone(backbone: Timm) -> None:
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    copied = copy_with_random_weights(backbone)
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    pairs = zip(copied.parameters(), backbone.parameters(), strict=True)
    assert not any(torch.equal(new, old) for new, old in pairs if new.ndim > 1)


def test_maps_of_a_random_copy_correlate_with_themselves_alone(backbone: Timm) -> None:
    head = make_head("label", backbone)
    image, features = extract(backbone)
    network = HeadNetwork(backbone, head, head.find_answer(features, "dog"))
    (found,) = explain_image(network, image, ["gradcam"], ["2"])
    assert compute_rank_correlation(found.heat, found.heat) == pytest.approx(1)
    assert compute_rank_correlation(found.heat, torch.zeros_like(found.heat)) == 0
