"""Under bfloat16 on a CPU, gradients of convolutions on maps smaller than their kernels are those of float32."""

import pytest
import torch
from torch import nn
from torch.nn.grad import conv2d_weight

from candelabra.backbones import Timm
from candelabra.backbones.backbone import keep_float32_convolutions
from candelabra.heads.feature_pyramid import FeaturePyramid


@pytest.mark.parametrize(
    ("kernel", "stride", "size"),
    [(3, 2, (1, 1)), (3, 2, (4, 1)), (5, 2, (1, 1)), (7, 1, (2, 2)), (3, 3, (2, 2)), (3, 1, (1, 1)), (3, 2, (4, 4))],
)
def test_weights_that_touch_no_pixel_have_no_gradient(kernel: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(128, 128, kernel, stride, kernel // 2)).to(memory_format=torch.channels_last)
    keep_float32_convolutions(network)
    images = torch.randn(8, 128, *size).contiguous(memory_format=torch.channels_last)
    for _ in range(5):  # memory that is not written is sometimes 0
        filled = [torch.full((128 * 128 * kernel**2,), 1e30) for _ in range(4)]
        del filled
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(images).float()
        outputs.square().sum().backward()
        found = network[0].weight.grad
        wanted = conv2d_weight(images, found.shape, 2 * outputs.detach(), stride=stride, padding=kernel // 2)
        torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.02 * float(wanted.abs().max()))


def test_the_coarsest_level_of_a_pyramid_learns_from_one_pixel() -> None:
    torch.manual_seed(0)
    backbone = Timm("test_resnet", weights="none").eval()
    pyramid = FeaturePyramid(backbone).to(memory_format=torch.channels_last)
    features = backbone(torch.rand(8, 3, 32, 32))
    for _ in range(5):
        filled = [torch.full((128 * 128 * 9,), float("nan")) for _ in range(4)]
        del filled
        pyramid.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            levels = pyramid(features)
        torch.stack([level.float().mean() for level in levels]).sum().backward(retain_graph=True)
        assert all(p.grad.isfinite().all() for p in pyramid.parameters() if p.grad is not None)
