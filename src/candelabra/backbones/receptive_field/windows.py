"""Derive the windows that torch functions read from the arguments of the call."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from candelabra.backbones.receptive_field.layers import Convolution, Layer, PoolingLayer, TransposedConvolution, Window

Windows = tuple[Window, Window]


def find_windows(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], windows: Windows, output: Tensor
) -> Windows | None:
    """Return the windows of the output of a function on a map (N, C, H, W).

    Args:
        name: of the function, in torch or torch.nn.functional.
        args: positional arguments; the first is the map.
        kwargs: keyword arguments.
        windows: of the map.
        output: of the call.

    Returns:
        The windows along rows and columns; null if the function does not read windows.
    """
    if name == "pad":
        return _pad_windows(_bind_arguments(["input", "pad"], args, kwargs)["pad"], windows)
    if name == "__getitem__":
        return _slice_windows(args[1], windows, args[0].ndim)
    layers = _find_layers(name, args, kwargs, output)
    return None if layers is None else (layers[0].window(windows[0]), layers[1].window(windows[1]))


def find_permuted_axes(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], axes: tuple[int, int], ndim: int
) -> tuple[int, int] | None:
    """Return the axes of rows and columns after a function that permutes axes; null for other functions."""
    if name == "permute":
        order = args[1] if len(args) == 2 else args[1:] or kwargs["dims"]
        places = [place % ndim for place in order]
        return places.index(axes[0]), places.index(axes[1])
    if name in ("transpose", "swapaxes"):
        given = _bind_arguments(["input", "dim0", "dim1"], args, kwargs)
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


def _find_layers(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Tensor) -> Sequence[Layer] | None:
    """Return the layer of each axis that corresponds to a call; null if there is none."""
    if name not in _CALLS:
        return None
    given = _bind_arguments(_CALLS[name], args, kwargs)
    if name == "interpolate":
        return _upsampling_layers(given, output)
    stride, padding = _as_pair(given.get("stride") or None), _as_pair(given.get("padding", 0))
    dilation = _as_pair(given.get("dilation", 1))
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
    kernel = _as_pair(given["kernel_size"])
    return [PoolingLayer(kernel[axis], stride[axis], padding[axis], dilation[axis]) for axis in (0, 1)]


def _upsampling_layers(given: Mapping[str, Any], output: Tensor) -> Sequence[Layer] | None:
    """Return layers for upsampling by an integer factor; bilinear and bicubic read neighbours too."""
    neighbours = {"nearest": 0, "bilinear": 1, "bicubic": 2}.get(given.get("mode", "nearest"))
    layers = []
    for axis in (2, 3):
        factor, rest = divmod(output.shape[axis], given["input"].shape[axis])
        if rest or neighbours is None:
            return None
        layers.append(TransposedConvolution(factor * (1 + 2 * neighbours), factor, factor * neighbours))
    return layers


def _pad_windows(pad: Sequence[int], windows: Windows) -> Windows:
    """Return the windows after padding: zeros before the first row and column shift all elements."""
    columns, rows = pad[0], pad[2] if len(pad) > 2 else 0
    return _shift_window(windows[0], -rows, 1), _shift_window(windows[1], -columns, 1)


def _slice_windows(index: Any, windows: Windows, ndim: int) -> Windows | None:
    """Return the windows after slicing: rows and columns may be cut or strided; null if an axis is removed."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in [part for part in parts if not isinstance(part, Tensor)]:
        place = parts.index(Ellipsis)
        parts[place : place + 1] = [slice(None)] * (ndim - len(parts) + 1)
    parts += [slice(None)] * (ndim - len(parts))
    if not all(isinstance(part, slice) for part in parts):
        return None
    sliced = []
    for part, window in zip(parts[-2:], windows, strict=True):
        if (part.start or 0) < 0 or (part.step or 1) < 1:
            return None
        sliced.append(_shift_window(window, part.start or 0, part.step or 1))
    return sliced[0], sliced[1]


def _shift_window(window: Window, by: int, step: int) -> Window:
    """Return the window after dropping the first `by` elements and keeping every `step`-th."""
    shift = window.stride * by
    return Window(window.stride * step, window.first + shift, window.last + shift)


def _bind_arguments(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _as_pair(value: Any) -> tuple[Any, Any]:
    if isinstance(value, list | tuple):
        return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])
    return value, value
