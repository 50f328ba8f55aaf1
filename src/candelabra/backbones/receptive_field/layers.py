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
    """What an element of a map reads of the image, along one axis.

    Element i reads pixels first + i * stride to last + i * stride, both included; those outside the image are padding.

    >>> Window().through([Convolution(3, stride=2, padding=1), PoolingLayer(2)]).size
    5
    """

    stride: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    @property
    def size(self) -> int:
        """Of the receptive field, in pixels; where maps were enlarged, that of the elements that read most."""
        return int(self.last - self.first) + 1

    @property
    def centre(self) -> Fraction:
        """Of what element 0 reads, in pixels; 0 is the middle of the first pixel."""
        return (self.first + self.last) / 2

    def through(self, layers: "Iterable[Layer]") -> "Window":
        """What the elements behind these layers read."""
        window = self
        for layer in layers:
            window = layer.window(window)
        return window

    def joined(self, other: "Window") -> "Window":
        """Of the sum, or the channels side by side, of two maps of one size."""
        stride = max(self.stride, other.stride)
        return Window(stride, min(self.first, other.first), max(self.last, other.last))


class Layer(ABC):
    """Something that reads a window of its input for each element of its output."""

    @abstractmethod
    def out(self, size: int) -> int:
        """Input size -> output size, in elements; below 1 where the input is too small."""

    @abstractmethod
    def window(self, read: Window) -> Window:
        """What an element of the input reads -> what one of the output does."""


@dataclass(frozen=True)
class Convolution(Layer):
    """A convolution: (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1, rounded down.

    Args:
        kernel, stride, padding, dilation: as torch's; padding on both sides.

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
    """Maximum or average over windows.

    Args:
        kernel, padding, dilation: as torch's.
        stride: null for the kernel's size.
        ceil: whether a last window may begin inside and end outside the padded input.

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
        room = size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        if not self.ceil:
            return room // stride + 1
        out = -(-room // stride) + 1
        return out - ((out - 1) * stride >= size + self.padding)  # never one that begins in the padding behind

    def window(self, read: Window) -> Window:
        return Convolution(self.kernel, self.stride or self.kernel, self.padding, self.dilation).window(read)


@dataclass(frozen=True)
class TransposedConvolution(Layer):
    """The convolution's way back: (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + more + 1.

    Args:
        kernel, stride, padding, dilation: of the convolution that it goes back through.
        more: elements added at the end, torch's `output_padding`.

    >>> TransposedConvolution(2, stride=2).out(7)
    14
    """

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    more: int = 0

    def out(self, size: int) -> int:
        return (size - 1) * self.stride - 2 * self.padding + self.dilation * (self.kernel - 1) + self.more + 1

    def window(self, read: Window) -> Window:
        step = read.stride / self.stride
        first = read.first + step * (self.padding - self.dilation * (self.kernel - 1))
        return Window(step, first, read.last + step * self.padding)


def count_parameters(
    channels: tuple[int, int], kernel: int | tuple[int, ...] = 1, groups: int = 1, bias: bool = True
) -> int:
    """How many weights a convolution has, transposed or not; with kernel 1, a linear layer.

    Args:
        channels: of input and output.
        kernel: a side for both axes, or one for each.
        groups: into which the channels are divided.
        bias: whether each output channel has one.

    >>> count_parameters((3, 64), 7, bias=False), count_parameters((256, 256), 3, groups=32)
    (9408, 18688)
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    return channels[0] * channels[1] // groups * prod(sides) + (channels[1] if bias else 0)
