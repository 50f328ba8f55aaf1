"""Convolution arithmetic along one axis: sizes, strides and receptive fields, without running anything.

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning"; Araujo, Norris and Sim 2019, "Computing
receptive fields of convolutional neural networks".
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import prod


@dataclass(frozen=True)
class Window:
    """The pixels of the image that an element of a map reads, along one axis.

    Element i reads pixels first + i * stride to last + i * stride, both inclusive; those outside the image are padding.

    >>> Window().through([Convolution(3, stride=2, padding=1), PoolingLayer(2)]).size
    5
    """

    stride: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    @property
    def size(self) -> int:
        """Size of the receptive field in pixels; in upsampled maps, the largest of all elements."""
        return int(self.last - self.first) + 1

    @property
    def centre(self) -> Fraction:
        """Centre of the receptive field of element 0, in pixels; 0 is the centre of the first pixel."""
        return (self.first + self.last) / 2

    def through(self, layers: "Iterable[Layer]") -> "Window":
        """Return the window of the output of a chain of layers."""
        window = self
        for layer in layers:
            window = layer.window(window)
        return window

    def union(self, other: "Window") -> "Window":
        """Return the window of the sum or concatenation of two maps of equal size."""
        stride = max(self.stride, other.stride)
        return Window(stride, min(self.first, other.first), max(self.last, other.last))


class Layer(ABC):
    """A layer that reads a window of its input for each element of its output."""

    @abstractmethod
    def out(self, size: int) -> int:
        """Return the output size for an input size, in elements; below 1 if the input is too small."""

    @abstractmethod
    def window(self, read: Window) -> Window:
        """Return the window of the output for the window of the input."""


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution: (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1, rounded down.

    Args:
        kernel, stride, padding, dilation: as in torch; padding on both sides.

    >>> Convolution(7, stride=2, padding=3).out(224)
    112
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def out(self, size: int) -> int:
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    def window(self, read: Window) -> Window:
        first = read.first - read.stride * self.padding
        last = read.last + read.stride * (self.dilation * (self.kernel - 1) - self.padding)
        return Window(read.stride * self.stride, first, last)


@dataclass(frozen=True)
class PoolingLayer(Layer):
    """Maximum or average pooling.

    Args:
        kernel, padding, dilation: as in torch.
        stride: null for the size of the kernel.
        ceil: torch's `ceil_mode`: whether the last window may end outside the padded input.

    >>> PoolingLayer(3, stride=2, ceil=True).out(112), PoolingLayer(3, stride=2).out(112)
    (56, 55)
    """

    kernel: int
    stride: int | None = None
    padding: int = 0
    dilation: int = 1
    ceil: bool = False

    def out(self, size: int) -> int:
        stride = self.stride or self.kernel
        span = size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        if not self.ceil:
            return span // stride + 1
        out = -(-span // stride) + 1
        return out - ((out - 1) * stride >= size + self.padding)  # a window never begins in the padding at the end

    def window(self, read: Window) -> Window:
        return Convolution(self.kernel, self.stride or self.kernel, self.padding, self.dilation).window(read)


@dataclass(frozen=True)
class TransposedConvolution(Layer):
    """A transposed convolution of (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.

    Args:
        kernel, stride, padding, dilation: of the convolution that it transposes.
        output_padding: elements added at the end.

    >>> TransposedConvolution(2, stride=2).out(7)
    14
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    output_padding: int = 0

    def out(self, size: int) -> int:
        return (size - 1) * self.stride - 2 * self.padding + self.dilation * (self.kernel - 1) + self.output_padding + 1

    def window(self, read: Window) -> Window:
        step = read.stride / self.stride
        first = read.first + step * (self.padding - self.dilation * (self.kernel - 1))
        return Window(step, first, read.last + step * self.padding)


def count_parameters(
    channels: tuple[int, int], kernel: int | tuple[int, ...] = 1, groups: int = 1, bias: bool = True
) -> int:
    """Count the parameters of a convolution, transposed or not; with kernel 1, of a linear layer.

    Args:
        channels: of input and output.
        kernel: side for both axes, or one for each axis.
        groups: of channels.
        bias: whether it has a bias.

    >>> count_parameters((3, 64), 7, bias=False), count_parameters((256, 256), 3, groups=32)
    (9408, 18688)
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return channels[0] * channels[1] // groups * prod(sides) + (channels[1] if bias else 0)
