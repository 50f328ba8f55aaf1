"""Which windows the functions of torch read, from the arguments that they are called with."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from candelabra.backbones.receptive_field.layers import Convolution, Layer, PoolingLayer, TransposedConvolution, Window

Windows = tuple[Window, Window]


def find_windows(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], windows: Windows, output: Tensor
) -> Windows | None:
    """What the output of a function on (N, C, H, W) reads; null where it is none of those that read windows.

    Args:
        name: of the function, in torch or torch.nn.functional.
        args: of the call; the first is the map.
        kwargs: of the call.
        windows: of the map.
        output: of the call.
    """
    if name == "pad":
        return _padded(_arguments(["input", "pad"], args, kwargs)["pad"], windows)
    if name == "__getitem__":
        return _sliced(args[1], windows, args[0].ndim)
    layers = _layers(name, args, kwargs, output)
    return None if layers is None else (layers[0].window(windows[0]), layers[1].window(windows[1]))


def is_rearrangement(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], axes: tuple[int, int], ndim: int
) -> tuple[int, int] | None:
    """Where rows and columns are after axes have changed places; null where the function does no such thing."""
    if name == "permute":
        order = args[1] if len(args) == 2 else args[1:] or kwargs["dims"]
        places = [place % ndim for place in order]
        return places.index(axes[0]), places.index(axes[1])
    if name in ("transpose", "swapaxes"):
        given = _arguments(["input", "dim0", "dim1"], args, kwargs)
        one, other = given["dim0"] % ndim, given["dim1"] % ndim
        swapped = {one: other, other: one}
        return swapped.get(axes[0], axes[0]), swapped.get(axes[1], axes[1])
    return None


_CALLS = {
    "conv2d": ["input", "weight", "bias", "stride", "padding", "dilation", "groups"],
    "conv_transpose2d": ["input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"],
    "max_pool2d": ["input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"],
    "avg_pool2d": ["input", "kernel_size", "stride", "padding", "ceil_mode"],
    "interpolate": ["input", "size", "scale_factor", "mode"],
}


def _layers(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> Sequence[Layer] | None:
    """One for each axis."""
    if name not in _CALLS:
        return None
    given = _arguments(_CALLS[name], args, kwargs)
    if name == "interpolate":
        return _enlarging(given, output)
    stride, padding = _pair(given.get("stride") or None), _pair(given.get("padding", 0))
    dilation = _pair(given.get("dilation", 1))
    if name == "conv2d":
        kernel = tuple(given["weight"].shape[2:])
        if padding == ("valid", "valid"):
            padding = (0, 0)
        elif padding == ("same", "same"):
            padding = tuple(dilation[axis] * (kernel[axis] - 1) // 2 for axis in (0, 1))
        return [Convolution(kernel[axis], stride[axis] or 1, padding[axis], dilation[axis]) for axis in (0, 1)]
    if name == "conv_transpose2d":
        kernel = tuple(given["weight"].shape[2:])
        return [
            TransposedConvolution(kernel[axis], stride[axis] or 1, padding[axis], dilation[axis]) for axis in (0, 1)
        ]
    kernel = _pair(given["kernel_size"])
    return [PoolingLayer(kernel[axis], stride[axis], padding[axis], dilation[axis]) for axis in (0, 1)]


def _enlarging(given: Mapping[str, Any], output: Tensor) -> Sequence[Layer] | None:
    """By a whole factor; bilinear and bicubic read neighbours too."""
    beyond = {"nearest": 0, "bilinear": 1, "bicubic": 2}.get(given.get("mode", "nearest"))
    layers = []
    for axis in (2, 3):
        factor, rest = divmod(output.shape[axis], given["input"].shape[axis])
        if rest or beyond is None:
            return None
        layers.append(TransposedConvolution(factor * (1 + 2 * beyond), factor, factor * beyond))
    return layers


def _padded(pad: Sequence[int], windows: Windows) -> Windows:
    """Zeros before the first row and column: every element moves on by so many."""
    columns, rows = pad[0], pad[2] if len(pad) > 2 else 0
    return _moved(windows[0], -rows, 1), _moved(windows[1], -columns, 1)


def _sliced(index: Any, windows: Windows, ndim: int) -> Windows | None:
    """Parts of a map: rows and columns may be cut or left out, no axis may go."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [part for part in parts if not isinstance(part, Tensor)]:
        place = parts.index(Ellipsis)
        parts[place : place + 1] = [slice(None)] * (ndim - len(parts) + 1)
    parts += [slice(None)] * (ndim - len(parts))
    if not all(isinstance(part, slice) for part in parts):
        return None
    moved = []
    for part, window in zip(parts[-2:], windows, strict=True):
        if (part.start or 0) < 0 or (part.step or 1) < 1:
            return None
        moved.append(_moved(window, part.start or 0, part.step or 1))
    return moved[0], moved[1]


def _moved(window: Window, by: int, step: int) -> Window:
    shift = window.stride * by
    return Window(window.stride * step, window.first + shift, window.last + shift)


def _arguments(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list | tuple):
        return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])
    return value, value
