"""Feature maps, filters, and images that excite or fool a network."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from candelabra.backbones import Timm, Torchvision
from candelabra.backbones.registry import create_backbone
from candelabra.errors import CandelabraError
from candelabra.explain.adversarial import draw_wanted_classes, find_fooling_images
from candelabra.explain.feature_maps import compute_feature_maps, draw_filters, write_feature_maps
from candelabra.explain.image_parameters import ImageParameters
from candelabra.explain.maximisation import (
    AscentSettings,
    compute_channel_means,
    find_largest,
    make_channel_objective,
    maximise_objective,
)
from tests.explain.models import extract, list_pictures

pytestmark = pytest.mark.figures


def test_maps_of_alexnet_have_the_shapes_of_textbooks(tmp_path: Path) -> None:
    backbone = create_backbone("alexnet", "none")
    assert isinstance(backbone, Torchvision)
    maps = compute_feature_maps(backbone, torch.rand(3, 224, 224), "all")
    assert [shape for _, shape in write_feature_maps(maps, tmp_path)] == [
        *("64x55x55", "64x27x27", "192x27x27", "192x13x13"),
        *("384x13x13", "256x13x13", "256x13x13", "256x6x6"),
    ]
    assert len(list_pictures(tmp_path / "pictures")) == 9


def test_maps_are_those_before_a_relu_in_place() -> None:
    """AlexNet rectifies in place: the output of its first convolution has negative numbers still."""
    backbone = create_backbone("alexnet", "none")
    maps = compute_feature_maps(backbone, torch.rand(3, 64, 64), "features.0")
    assert maps["features.0"].min() < 0


def test_maps_of_stages_are_the_features(backbone: Timm) -> None:
    image, features = extract(backbone)
    maps = compute_feature_maps(backbone.train(), image)
    assert list(maps) == ["0", "1", "2", "3", "4", "final"]
    torch.testing.assert_close(maps["final"], features.final[0])
    assert backbone.training
    with pytest.raises(CandelabraError, match="stage=9 is not known; allowed are all"):
        compute_feature_maps(backbone, image, "9")


def test_filters_are_pictures_of_the_first_convolution(backbone: Timm) -> None:
    words, picture = draw_filters(backbone)
    assert words.endswith("x3x3x3")
    assert min(picture.size) >= 64


@pytest.mark.parametrize("way", ["fourier", "pixel"])
def test_maximised_images_excite_a_channel_more_than_noise(backbone: Timm, way: str) -> None:
    backbone.eval()
    noise = torch.rand(16, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alive = compute_channel_means(backbone, "3", noise).mean(0).topk(2).indices.tolist()
    objective = make_channel_objective(backbone, "3", alive)
    settings = AscentSettings(steps=24, parametrisation=way, jitter=2)
    found = maximise_objective(objective, 2, 48, settings)
    largest, count = find_largest(lambda images: compute_channel_means(backbone, "3", images)[:, alive], [noise])
    assert count == 16
    assert (found.reached > largest).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_a_penalty_keeps_images_nearer_to_grey(backbone: Timm) -> None:
    backbone.eval()
    objective = make_channel_objective(backbone, "3", [0])
    free = maximise_objective(objective, 1, 32, AscentSettings(steps=16, jitter=0)).images
    held = maximise_objective(objective, 1, 32, AscentSettings(steps=16, jitter=0, l1=100.0)).images
    assert (held - 0.5).abs().mean() < 0.8 * (free - 0.5).abs().mean()


def test_images_start_at_low_contrast() -> None:
    for way in ("fourier", "pixel"):
        images = ImageParameters(1, 64, 64, way)().detach()
        assert images.std() < 0.05
        assert abs(images.mean() - 0.5) < 0.02


def test_fooling_images_stay_in_the_bound_and_turn_the_class() -> None:
    torch.manual_seed(0)
    linear = torch.nn.Linear(3 * 8 * 8, 3)
    images = torch.rand(6, 3, 8, 8)

    def compute_logits(pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = linear(pixels.flatten(1))
        return logits

    before = compute_logits(images).argmax(1)
    wanted = draw_wanted_classes(before, 3, 0)
    assert (wanted != before).all()
    found = find_fooling_images(compute_logits, images, wanted, 0.2)
    assert found.fooled.all()
    assert torch.equal(compute_logits(found.images).argmax(1), wanted)
    assert ((found.images - images).abs().flatten(1).amax(1) <= found.epsilons + 1e-6).all()
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    small = find_fooling_images(compute_logits, images, wanted, 1e-4)
    assert not small.fooled.all()
    assert torch.equal(small.epsilons[~small.fooled], torch.full_like(small.epsilons[~small.fooled], 1e-4))


def test_pictures_can_be_opened(tmp_path: Path, backbone: Timm) -> None:
    image, _ = extract(backbone)
    write_feature_maps(compute_feature_maps(backbone, image), tmp_path)
    with Image.open(tmp_path / "pictures" / "maps.png") as picture:
        assert picture.width > 100
