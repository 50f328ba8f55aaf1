"""The backward of a convolution against autograd."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from candelabra.backbones.receptive_field import compute_input_gradient, compute_weight_gradient


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"),
    [each for each in itertools.product([1, 2, 3, 5], [1, 2, 3], [0, 1, 2], [7, 8, 11]) if each[2] < each[0]],
)
def test_gradients_are_convolutions(kernel: int, stride: int, padding: int, size: int) -> None:
    torch.manual_seed(kernel + 10 * stride + 100 * padding + size)
    images = torch.randn(2, 3, size, size + 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, kernel, kernel, dtype=torch.float64, requires_grad=True)
    out = F.conv2d(images, weight, stride=stride, padding=padding)
    gradient = torch.randn_like(out)
    out.backward(gradient)
    assert images.grad is not None
    assert weight.grad is not None
    found = compute_input_gradient(gradient, weight.detach(), (size, size + 2), stride, padding)
    torch.testing.assert_close(found, images.grad)
    found = compute_weight_gradient(gradient, images.detach(), (kernel, kernel), stride, padding)
    torch.testing.assert_close(found, weight.grad)
