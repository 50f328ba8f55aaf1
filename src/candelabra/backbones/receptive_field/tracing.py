"""Trace receptive fields through a running model: each tensor gets the window of the image that its elements read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from candelabra.backbones.receptive_field.layers import Window
from candelabra.backbones.receptive_field.windows import find_permuted_axes, find_windows

_MIXING = ("scaled_dot_product_attention", "bmm", "matmul", "__matmul__", "baddbmm", "einsum", "roll", "cumsum")
_SCALING = ("group_norm", "instance_norm")  # use statistics of the whole image, in evaluation too


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of the elements of a map: a window along each axis, or the whole image.

    Attributes:
        windows: along rows and columns; null if an element may read the whole image, as after attention or global
            pooling.
        gated: whether factors computed from the whole image (squeeze and excitation) scale the map.
    """

    windows: tuple[Window, Window] | None
    gated: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the receptive field in pixels; null for the whole image."""
        return None if self.windows is None else (self.windows[0].size, self.windows[1].size)


@dataclass(frozen=True)
class _Map:
    """A tensor with its receptive field and the axes of its rows and columns."""

    tensor: Tensor  # a reference keeps its id() from being reused
    field: ReceptiveField
    axes: tuple[int, int]

    @property
    def sizes(self) -> tuple[int, int]:
        return self.tensor.shape[self.axes[0]], self.tensor.shape[self.axes[1]]


def trace_receptive_fields(model: nn.Module, image: Tensor) -> dict[str, ReceptiveField]:
    """Run a model once and return the receptive fields of the outputs of its modules.

    A sum or concatenation of branches has the union of their fields. Fields depend on shapes, not on weights.

    Args:
        model: is not changed; it may be on the meta device, where nothing is computed.
        image: (N, C, H, W), on the model's device; so large that no map except the last is a single element.

    Returns:
        The field of each module with one output tensor that has rows and columns, by name; "" is the model itself.
    """
    tracer = _Tracer(image)
    found: dict[str, ReceptiveField] = {}

    def make_hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            known = tracer.maps.get(id(output))
            if known is not None:
                found[name] = known.field

        return hook

    hooks = [module.register_forward_hook(make_hook(name)) for name, module in model.named_modules()]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad(), tracer:
            model.eval()(image)
    finally:
        for module, mode in modes.items():
            module.training = mode
        for hook in hooks:
            hook.remove()
    return found


def combine_fields(run: Callable[[Tensor], Sequence[Tensor]], image: Tensor) -> list[ReceptiveField]:
    """Return the receptive fields of the maps (N, C, h, w) that a function computes from an image.

    Args:
        run: the function.
        image: see `trace_receptive_fields`.
    """
    tracer = _Tracer(image)
    with torch.no_grad(), tracer:
        outputs = run(image)
    known = [tracer.maps.get(id(output)) for output in outputs]
    return [ReceptiveField(None) if each is None else each.field for each in known]


class _Tracer(TorchFunctionMode):
    """Follow every call of a torch function and record the fields of its outputs."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.maps = {id(image): _Map(image, ReceptiveField((Window(), Window())), (2, 3))}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        outputs = func(*args, **kwargs)
        read = [self.maps[id(value)] for value in _iterate_tensors([args, kwargs.values()]) if id(value) in self.maps]
        if read:
            name = getattr(func, "__name__", "")
            for output in _iterate_tensors([outputs]):
                traced = _trace_output(name, args, kwargs, read, output)
                if traced is not None:
                    self.maps[id(output)] = traced
        return outputs


def _trace_output(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], read: list[_Map], output: Tensor
) -> _Map | None:
    """Return the output of a function with its field; null if it has no rows and columns."""
    first = read[0]
    axes = find_permuted_axes(name, args, kwargs, first.axes, first.tensor.ndim)
    if axes is not None:
        return _Map(output, first.field, axes)
    if first.field.windows is not None and first.axes == (first.tensor.ndim - 2, first.tensor.ndim - 1):
        windows = find_windows(name, args, kwargs, first.field.windows, output)
        if windows is not None:
            return _Map(output, ReceptiveField(windows, first.field.gated), first.axes)
    if output.ndim != first.tensor.ndim:
        return None
    unbounded = _Map(output, ReceptiveField(None), first.axes)
    if name in _MIXING or (name == "linear" and output.ndim - 1 in first.axes):
        return unbounded
    largest = max(read, key=lambda each: each.sizes)
    if unbounded.sizes != largest.sizes:
        return unbounded
    return _Map(output, _combine_pointwise(name, read, unbounded.sizes), first.axes)


def _combine_pointwise(name: str, read: Sequence[_Map], sizes: tuple[int, int]) -> ReceptiveField:
    """Return the field of a function that works on each position separately, on one map or several."""
    gated = name in _SCALING or any(each.field.gated for each in read)
    windows: tuple[Window, Window] | None = None
    for each in read:
        if each.field.windows is None and each.sizes == sizes:
            return ReceptiveField(None)
        if each.field.windows is None:  # one factor or summand for all positions
            gated = True
        elif windows is None:
            windows = each.field.windows
        else:
            rows, columns = each.field.windows
            windows = (windows[0].union(rows), windows[1].union(columns))
    return ReceptiveField(windows, gated)


def _iterate_tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif not isinstance(value, str | bytes | dict) and hasattr(value, "__iter__"):
            yield from _iterate_tensors(value)
