"""The formulas against the layers themselves, over many sizes."""

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from candelabra.backbones.receptive_field import (
    Convolution,
    Layer,
    PoolingLayer,
    TransposedConvolution,
    Window,
    count_parameters,
)

chance = random.Random(0)


def module(layer: Layer) -> nn.Module:
    """The same layer, running along one axis, with weights of one."""
    if isinstance(layer, PoolingLayer):
        return nn.MaxPool1d(layer.kernel, layer.stride, layer.padding, layer.dilation, ceil_mode=layer.ceil)
    if isinstance(layer, Convolution):
        made: nn.Module = nn.Conv1d(1, 1, layer.kernel, layer.stride, layer.padding, layer.dilation, bias=False)
    else:
        assert isinstance(layer, TransposedConvolution)
        kernel, stride, padding = layer.kernel, layer.stride, layer.padding
        made = nn.ConvTranspose1d(
            1, 1, kernel, stride, padding, layer.output_padding, bias=False, dilation=layer.dilation
        )
    nn.init.ones_(made.weight)
    return made


def any_convolution() -> Convolution:
    return Convolution(chance.randint(1, 7), chance.randint(1, 4), chance.randint(0, 4), chance.randint(1, 3))


def any_pooling() -> PoolingLayer:
    kernel = chance.randint(1, 7)
    stride = chance.choice([None, 1, 2, 3])
    return PoolingLayer(kernel, stride, chance.randint(0, kernel // 2), chance.randint(1, 2), chance.random() < 0.5)


def any_transposed() -> TransposedConvolution:
    kernel, stride, dilation = chance.randint(1, 6), chance.randint(1, 4), chance.randint(1, 3)
    more = chance.randint(0, max(stride, dilation) - 1)
    return TransposedConvolution(kernel, stride, chance.randint(0, (kernel - 1) * dilation), dilation, more)


@pytest.mark.parametrize("make", [any_convolution, any_pooling, any_transposed])
def test_output_sizes_are_those_of_the_layers(make: Callable[[], Layer]) -> None:
    compared = 0
    for _ in range(300):
        layer, size = make(), chance.randint(1, 40)
        out = layer.out(size)
        if out < 1:
            with pytest.raises(RuntimeError):
                module(layer)(torch.zeros(1, 1, size))
            continue
        assert module(layer)(torch.zeros(1, 1, size)).shape[2] == out, (layer, size)
        compared += 1
    assert compared > 100


def reach(layers: list[Layer], size: int) -> tuple[torch.Tensor, int]:
    """By output element: which pixels its gradient reaches, through layers of ones; pooling as a convolution."""
    image = torch.zeros(1, 1, size, dtype=torch.float64, requires_grad=True)
    found = image
    for layer in layers:
        if isinstance(layer, PoolingLayer):
            layer = Convolution(layer.kernel, layer.stride or layer.kernel, layer.padding, layer.dilation)
        found = module(layer).double()(found)
    out = found.shape[2]
    rows = [torch.autograd.grad(found[0, 0, i], image, retain_graph=True)[0][0, 0] for i in range(out)]
    return torch.stack(rows) > 0, out


def test_windows_are_what_gradients_reach() -> None:
    """Chains of one to four layers; where nothing was enlarged, to the pixel."""
    for _ in range(60):
        layers: list[Layer] = [chance.choice([any_convolution, any_pooling])() for _ in range(chance.randint(1, 4))]
        window = Window().through(layers)
        size = 400
        reached, out = reach(layers, size)
        for i in range(out):
            first, last = window.first + i * window.stride, window.last + i * window.stride
            pixels = reached[i].nonzero().flatten().tolist()
            assert all(first <= pixel <= last for pixel in pixels)
            if first >= 0 and last < size:
                assert (pixels[0], pixels[-1]) == (first, last)


def test_windows_of_enlarged_maps_hold_all_that_gradients_reach() -> None:
    for _ in range(40):
        layers: list[Layer] = [any_convolution(), any_transposed(), any_convolution()]
        window = Window().through(layers)
        reached, out = reach(layers, 200)
        for i in range(out):
            pixels = reached[i].nonzero().flatten().tolist()
            assert all(window.first + i * window.stride <= p <= window.last + i * window.stride for p in pixels)


@pytest.mark.parametrize(("kernel", "groups", "bias"), list(itertools.product([1, 3, (1, 7)], [1, 4], [True, False])))
def test_weights_are_counted(kernel: Any, groups: int, bias: bool) -> None:
    for kind in (nn.Conv2d, nn.ConvTranspose2d):
        layer = kind(8, 12, kernel, groups=groups, bias=bias)
        assert count_parameters((8, 12), kernel, groups, bias) == sum(p.numel() for p in layer.parameters())


def test_published_receptive_fields() -> None:
    """Araujo et al. 2019, Table 1, of the architectures as their authors published them."""
    one, three = Convolution(3, padding=1), PoolingLayer(3, 2)
    alexnet = [Convolution(11, 4), three, Convolution(5, padding=2), three, one, one, one, three]
    assert Window().through(alexnet).size == 195
    assert Window().through(alexnet).stride == 32
    blocks = [[one] * count + [PoolingLayer(2)] for count in (2, 2, 3, 3, 3)]
    vgg16 = Window().through(layer for block in blocks for layer in block)
    assert (vgg16.size, int(vgg16.stride)) == (212, 32)
    layers: list[Layer] = [Convolution(7, 2, 3), PoolingLayer(3, 2, 1)]
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count):  # He et al. 2016: the stride in the first convolution, of one pixel
            layers += [Convolution(1, 2 if stage and not block else 1), one, Convolution(1)]
    resnet50 = Window().through(layers)
    assert (resnet50.size, int(resnet50.stride)) == (483, 32)


def test_a_convolution_of_the_same_size() -> None:
    images = torch.zeros(1, 1, 17, 17)
    assert F.conv2d(images, torch.zeros(1, 1, 5, 5), padding=2).shape[-1] == Convolution(5, padding=2).out(17) == 17
