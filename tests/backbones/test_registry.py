"""Every entry: taken by name, geometry as it runs, features as the library behind it makes them."""

import subprocess
import sys
from typing import Any

import pytest
import timm
import torch
import torchvision

from candelabra import create_backbone
from candelabra.backbones import Timm, Torchvision
from candelabra.backbones.receptive_field import combine_fields
from candelabra.backbones.registry import build_backbone, find_backbone_config, list_backbones
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError

NAMES = list_backbones()
SMALL = ("test_", "alexnet", "lenet", "cifar_net", "resnet18", "efficientnet_lite0", "mobilenet", "googlenet")
# Others are built as they are, of fewer layers.
DEEP = {"preact_resnet1001", "resnet101", "resnext101_32x4d", "resnext101_32x8d", "resnext101_64x4d"}
DEEP |= {"efficientnet_lite1", "efficientnet_lite2"}
PUBLISHED = {  # millions of weights, without the classifier
    "preact_resnet164": 1.70,  # He et al. 2016
    "preact_resnet1001": 10.33,
    "alexnet": 2.47,
    "resnet18": 11.69 - 0.513,
    "resnet50": 25.557 - 2.049,
    "resnext50_32x4d": 25.029 - 2.049,
    "vgg11": 132.863 - 123.642,
    "vgg13": 133.048 - 123.642,
    "vgg16": 138.358 - 123.642,
    "vgg19": 143.667 - 123.642,
    "vgg19_bn": 143.678 - 123.642,
    "densenet121": 7.979 - 1.025,
    "googlenet": 6.625 - 1.025,
}


def slowly(every: list[str], light: tuple[str, ...] = SMALL) -> list[Any]:
    return [name if name.startswith(light) else pytest.param(name, marks=pytest.mark.slow) for name in every]


def test_every_yaml_is_an_entry() -> None:
    assert {*NAMES, "timm"} == {path.stem for path in (CONFIG_FOLDER / "backbone").glob("*.yaml")}
    assert list_backbones("vgg1?_bn") == ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in NAMES]
)
def test_geometry_is_that_of_the_running_model(name: str) -> None:
    """Strides and sizes of maps; attention has no window, and says so."""
    with torch.device("meta"):
        model = build_backbone({**find_backbone_config(name), "weights": "none"}).eval()
        images = torch.zeros(1, 3, 192, 160)
        fields = combine_fields(lambda pixels: model.extract(pixels)[0], images)
        with torch.no_grad():
            maps = model(images).maps
    for field, stride, each in zip(fields, model.strides, maps, strict=True):
        if field.windows is None:
            assert name.startswith(("vit_", "swin_"))
            continue
        assert [window.stride for window in field.windows] == [stride, stride]
        for window, side, pixels in zip(field.windows, each.shape[-2:], (192, 160), strict=True):
            end = window.last + (side - 1) * window.stride + 1  # of what the last element reads
            assert window.first <= 0
            assert end > pixels - stride  # all of the image, but for what strides without padding leave over


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in DEEP else name for name in PUBLISHED]
)
def test_weights_are_as_many_as_published(name: str) -> None:
    with torch.device("meta"):
        model = build_backbone({**find_backbone_config(name), "weights": "none"})
    count = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert count == pytest.approx(PUBLISHED[name], abs=0.006)


def test_lenet_has_the_weights_of_the_textbooks() -> None:
    lenet = create_backbone("lenet5", in_channels=1)
    count = sum(parameter.numel() for parameter in lenet.parameters())
    assert count + 120 * 84 + 84 + 84 * 10 + 10 == 61706
    assert lenet(torch.rand(1, 1, 32, 32)).final.shape == (1, 120, 1, 1)


@pytest.mark.parametrize(
    "name", slowly([name for name in NAMES if find_backbone_config(name)["_target_"].endswith(".Timm")])
)
def test_features_are_timm_s_own_to_the_last_bit(name: str) -> None:
    node = find_backbone_config(name)
    torch.manual_seed(0)
    theirs: Any = timm.create_model(node["name"], num_classes=0, **node["options"]).eval()
    ours = create_backbone(name, weights="none").eval()
    assert isinstance(ours, Timm)
    kept = ours.network.state_dict()
    ours.network.load_state_dict({key: value for key, value in theirs.state_dict().items() if key in kept})
    images = torch.rand(1, 3, 96, 96) if name.startswith("inception") else torch.rand(1, 3, 64, 64)
    pixels = ((images - ours.mean) / ours.std).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        final, maps = theirs.forward_intermediates(pixels, indices=ours.indices)
        found = ours(images)
        whole = theirs.forward_features(pixels)
    assert all(torch.equal(one, other) for one, other in zip(found.maps, maps, strict=True))
    assert torch.equal(final, whole)
    assert found.final.numel() == final.numel() or ours.reads_token
    assert found.final.double().sum() == pytest.approx(
        float((final[:, 0] if ours.reads_token else final).double().sum()), rel=1e-9
    )


@pytest.mark.parametrize(
    "name", [name for name in NAMES if find_backbone_config(name)["_target_"].endswith(".Torchvision")]
)
def test_features_are_torchvision_s_own_to_the_last_bit(name: str) -> None:
    node = find_backbone_config(name)
    theirs: Any = torchvision.models.get_model(node["name"], weights=None, **node["options"]).eval()
    ours = create_backbone(name, weights="none").eval()
    assert isinstance(ours, Torchvision)
    ours.network.load_state_dict({k: v for k, v in theirs.state_dict().items() if k in ours.network.state_dict()})
    seen: dict[str, torch.Tensor] = {}
    for key in node["nodes"]:
        theirs.get_submodule(key).register_forward_hook(lambda _, __, out, key=key: seen.__setitem__(key, out.clone()))
    images = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        theirs(((images - ours.mean) / ours.std).contiguous(memory_format=torch.channels_last))
        found = ours(images)
    for key, each in zip(node["nodes"], found.maps, strict=True):
        assert torch.equal(each, seen[key].relu() if name == "alexnet" and key != "features.12" else seen[key])


def test_the_embedding_is_timm_s() -> None:
    theirs: Any = timm.create_model("test_resnet", num_classes=0).eval()
    ours = create_backbone("test_resnet", weights="none").eval()
    ours.network.load_state_dict(theirs.state_dict())
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(ours.embedding(images), theirs((images / 255 - ours.mean) / ours.std))


def test_any_model_of_timm_is_taken_by_its_name() -> None:
    assert create_backbone("test_vit", weights="none").name == "test_vit"
    with pytest.raises(CandelabraError, match="resnet50"):
        create_backbone("resnet5O")
    with pytest.raises(CandelabraError, match="nobody publishes weights"):
        create_backbone("lenet5", weights="hub")


def test_where_nobody_publishes_weights_auto_means_none() -> None:
    assert create_backbone("cifar_net").num_features == 128


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, candelabra; assert 'torch' not in sys.modules; assert not hasattr(candelabra, 'trunk')"
    subprocess.run([sys.executable, "-c", code], check=True)
