"""What every backbone of conf/ promises."""

import pytest
import torch

from candelabra.backbones import Backbone
from candelabra.config.build import build_object, resolve_config
from candelabra.environment import CONFIG_FOLDER
from tests.conftest import Compose

LIGHT = ("test_", "alexnet", "googlenet", "resnet18", "mobilenet", "efficientnet", "vit", "swin", "hrnet", "convnext")
NAMES = sorted(path.stem for path in (CONFIG_FOLDER / "backbone").glob("*.yaml"))


def every_backbone() -> list[object]:
    return [n if n.startswith(LIGHT) else pytest.param(n, marks=pytest.mark.slow) for n in NAMES if n != "timm"]


@pytest.mark.parametrize("name", every_backbone())
def test_channels_strides_and_stages_are_as_promised(name: str, tiny: Compose) -> None:
    node = resolve_config(tiny(f"backbone={name}", "backbone.weights=none"))["backbone"]
    backbone: Backbone = build_object(node).eval()
    with torch.no_grad():
        features = backbone(torch.zeros(1, 3, 192, 160, dtype=torch.uint8))

    assert [m.shape[1] for m in features.maps] == backbone.channels
    for features_map, stride in zip(features.maps, backbone.strides, strict=True):
        assert 0.6 < features_map.shape[2] * stride / 192 < 1.1  # Inception does not pad
        assert features_map.shape[2] >= features_map.shape[3]
    assert backbone.strides == sorted(backbone.strides)
    assert features.final.shape[:2] == (1, backbone.num_features)
    assert features.final.ndim == 4
    assert features.size == (192, 160)
    assert len(backbone.stages) == len(backbone.channels)
    staged = [p for stage in backbone.stages for m in stage for p in m.parameters(recurse=False)]
    assert len(staged) == len({id(p) for p in staged}) == len(list(backbone.parameters()))
    assert sum(p.numel() for p in backbone.network.parameters() if p.ndim > 1) > 0


@pytest.mark.parametrize("name", every_backbone())
def test_every_parameter_is_used(name: str, tiny: Compose) -> None:
    backbone: Backbone = build_object(resolve_config(tiny(f"backbone={name}", "backbone.weights=none"))["backbone"])
    features = backbone(torch.rand(2, 3, 160, 160))
    (features.final.square().mean() + sum(m.square().mean() for m in features.maps)).backward()
    unused = [key for key, p in backbone.named_parameters() if p.grad is None]
    assert not unused


def test_other_timm_names_and_channels(tiny: Compose) -> None:
    backbone: Backbone = build_object(
        resolve_config(
            tiny("backbone=timm", "backbone.name=test_efficientnet", "backbone.weights=none", "backbone.in_channels=5")
        )["backbone"]
    )
    assert backbone(torch.rand(1, 5, 64, 64)).final.shape == (1, backbone.num_features, 2, 2)


def test_uint8_and_float_images_mean_the_same(backbone: Backbone) -> None:
    backbone.eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(backbone(pixels).final, backbone(pixels / 255).final)
