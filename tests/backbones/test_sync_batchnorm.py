"""The synced batch normalisation is torch's on one process; on two see tests/test_exactness.py."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from candelabra.backbones import Timm
from candelabra.backbones.sync_batchnorm import convert_sync_batchnorm, has_sync_batchnorm
from candelabra.errors import CandelabraError


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (nn.BatchNorm1d, (6, 5)),
        (nn.BatchNorm2d, (4, 5, 3, 2)),
        (BatchNormAct2d, (4, 5, 3, 2)),
        (lambda channels: nn.BatchNorm2d(channels, momentum=None), (4, 5, 3, 2)),
        (lambda channels: nn.BatchNorm2d(channels, affine=False), (4, 5, 3, 2)),
    ],
)
def test_outputs_gradients_and_statistics_are_those_of_the_layer(
    make: Callable[[int], nn.Module], shape: tuple[int, ...], training: bool
) -> None:
    torch.manual_seed(0)
    layer = make(5).train(training)
    other = deepcopy(layer)
    convert_sync_batchnorm(other)
    assert has_sync_batchnorm(other)
    assert not has_sync_batchnorm(layer)
    found = []
    for each in (layer, other):
        values = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
        for _ in range(2):
            outputs = each(values * 3 + 1)
        (outputs.square() * torch.linspace(0, 1, outputs.numel()).view(shape)).sum().backward()
        parameters = [p.grad for p in each.parameters() if p.grad is not None]
        found.append([outputs, values.grad, *parameters, *(b.float() for b in each.buffers())])
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_a_backbone_keeps_its_parameters_stages_and_names(backbone: Timm) -> None:
    before, stages = dict(backbone.named_parameters()), [list(stage) for stage in backbone.stages]
    convert_sync_batchnorm(backbone)
    assert all(parameter is before[name] for name, parameter in backbone.named_parameters())
    assert [list(stage) for stage in backbone.stages] == stages
    backbone.freeze(2)
    assert not any(module.training for stage in backbone.stages[:2] for module in stage)


def test_a_layer_of_no_known_kind_is_refused() -> None:
    with pytest.raises(CandelabraError, match="cannot sync the BatchNorm3d"):
        convert_sync_batchnorm(nn.BatchNorm3d(4))
