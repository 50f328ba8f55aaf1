"""What every backbone of conf/ promises."""

import pytest
import torch

from candelabra.backbones import Backbone
from candelabra.config.build import build_object, resolve_config
from candelabra.contracts.backbone_checks import check_every_parameter_is_used, check_shapes
from candelabra.environment import CONFIG_FOLDER
from tests.conftest import Compose

# One of each way to take maps from a network; the geometry of all is checked in test_registry.py.
LIGHT = (
    "test_",
    "alexnet",
    "googlenet_auxiliary",
    "resnet18",
    "mobilenet",
    "efficientnet_lite0",
    "vit",
    "swin",
    "hrnet",
)
NAMES = sorted(path.stem for path in (CONFIG_FOLDER / "backbone").glob("*.yaml"))


def every_backbone() -> list[object]:
    return [n if n.startswith(LIGHT) else pytest.param(n, marks=pytest.mark.slow) for n in NAMES if n != "timm"]


@pytest.mark.parametrize("name", every_backbone())
def test_channels_strides_and_stages_are_as_promised(name: str, tiny: Compose) -> None:
    node = resolve_config(tiny(f"backbone={name}", "backbone.weights=none"))["backbone"]
    backbone: Backbone = build_object(node).eval()
    check_shapes(backbone)
    assert sum(p.numel() for p in backbone.network.parameters() if p.ndim > 1) > 0


@pytest.mark.parametrize("name", every_backbone())
def test_every_parameter_is_used(name: str, tiny: Compose) -> None:
    backbone: Backbone = build_object(resolve_config(tiny(f"backbone={name}", "backbone.weights=none"))["backbone"])
    check_every_parameter_is_used(backbone)


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
