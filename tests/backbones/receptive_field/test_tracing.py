"""Receptive fields of running models."""

from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from candelabra.backbones.receptive_field import (
    ReceptiveField,
    combine_fields,
    measure_effective_field,
    trace_receptive_fields,
)


def size_of(model: nn.Module, name: str, side: int = 224) -> Any:
    with torch.device("meta"):
        image = torch.zeros(1, 3, side, side)
    return trace_receptive_fields(model.to("meta"), image)[name].size


def reached(model: nn.Module, side: int) -> tuple[int, int]:
    """Rows and columns that the gradient of the middle unit reaches, all weights being positive."""
    model = model.double().eval()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    image = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    found = model(image)
    found[0, :, found.shape[2] // 2, found.shape[3] // 2].sum().backward()
    assert image.grad is not None
    touched = image.grad[0].sum(0) != 0
    return int(touched.any(1).sum()), int(touched.any(0).sum())


class Branches(nn.Module):
    """A little of everything that reads windows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(1, 2))
        self.one = nn.Conv2d(4, 4, 3, padding=1)
        self.other = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 5, padding=2), nn.AvgPool2d(3, 1, 1))
        self.last = nn.Conv2d(8, 4, 3, stride=2, padding=4, dilation=4)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.pad(self.first(images), (2, 0, 1, 0))[:, :, 1:, 2:]
        maps = torch.cat([self.one(maps), self.other(maps) + maps], 1)
        out: Tensor = self.last(maps.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))
        return out


def test_what_is_traced_is_what_gradients_reach() -> None:
    model = Branches()
    assert trace_receptive_fields(model, torch.zeros(1, 3, 128, 128))[""].size == reached(model, 128)


@pytest.mark.parametrize(
    ("model", "name", "size"),
    [
        (torchvision.models.alexnet, "features", 195),
        (torchvision.models.vgg16, "features", 212),
        (torchvision.models.resnet50, "layer4", 427),  # its stride is in the 3x3 convolution: 483 in the first paper's
        (torchvision.models.resnet50, "layer1", 35),
    ],
)
def test_architectures_of_torchvision(model: Any, name: str, size: int) -> None:
    with torch.device("meta"):
        assert size_of(model(), name) == (size, size)


def test_inception_v3_has_the_published_field() -> None:
    """Araujo et al. 2019: 1311."""
    with torch.device("meta"):
        model = torchvision.models.inception_v3(init_weights=False, transform_input=False)
    assert size_of(model, "Mixed_7c", 299) == (1311, 1311)


def test_squeeze_and_excitation_gates_what_the_windows_hold() -> None:
    model = timm.create_model("efficientnet_b0", num_classes=0)
    image = torch.zeros(1, 3, 64, 64)
    field = combine_fields(lambda images: model.forward_features(images)[None], image)[
        0
    ]  # a leading axis: none of ours
    assert field.windows is None
    fields = trace_receptive_fields(model, image)
    assert fields["conv_stem"] == ReceptiveField(fields["conv_stem"].windows, gated=False)
    assert fields["conv_head"].gated
    assert fields["conv_head"].size == (851, 851)


def test_attention_reads_everything() -> None:
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    fields = trace_receptive_fields(model, torch.zeros(1, 3, 224, 224))
    assert fields["patch_embed.proj"].size == (16, 16)
    assert "blocks.11" not in fields  # its output has no rows and columns


def test_a_norm_over_channels_keeps_the_window() -> None:
    model = timm.create_model("test_convnext", num_classes=0)
    field = trace_receptive_fields(model, torch.zeros(1, 3, 96, 96))["stages.0"]
    assert field.size is not None
    assert field.size[0] > 4
    assert not field.gated


def test_the_modes_of_modules_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.BatchNorm2d(4))
    model[2].eval()
    before = [module.training for module in model.modules()]
    trace_receptive_fields(model, torch.zeros(1, 3, 16, 16))
    assert [module.training for module in model.modules()] == before


def test_the_effective_field_of_a_deep_chain_is_smaller_than_its_field() -> None:
    torch.manual_seed(0)
    chain = nn.Sequential(
        *(layer for i in range(10) for layer in (nn.Conv2d(8 if i else 3, 8, 3, padding=1), nn.ReLU()))
    )
    field = trace_receptive_fields(chain, torch.zeros(1, 3, 64, 64))[""].size
    assert field == (21, 21)
    assert 3 < measure_effective_field(chain, 64) < 21
    identity = nn.Conv2d(3, 4, 1)
    assert measure_effective_field(identity, 16) == 1
