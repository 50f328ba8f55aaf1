"""Receptive fields of a running model: each tensor carries what its elements read of the image."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from candelabra.backbones.receptive_field.layers import Window
from candelabra.backbones.receptive_field.windows import find_windows, is_rearrangement

_MIXING = ("scaled_dot_product_attention", "bmm", "matmul", "__matmul__", "baddbmm", "einsum", "roll", "cumsum")
_SCALING = ("group_norm", "instance_norm")  # by statistics of the whole image, in evaluation too


@dataclass(frozen=True)
class ReceptiveField:
    """What the elements of a map read: a window of fixed size along each axis, or no such window.

    Attributes:
        windows: of rows and columns; null where an element may read anything, as behind attention or a global mean.
        gated: whether factors that come from the whole image (squeeze and excitation) scale what lies in the windows.
    """

    windows: tuple[Window, Window] | None
    gated: bool = False

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the receptive field, in pixels."""
        return None if self.windows is None else (self.windows[0].size, self.windows[1].size)


@dataclass(frozen=True)
class _Map:
    """A tensor's field, and which of its axes are rows and columns."""

    tensor: Tensor  # kept, or its number would be given to another
    field: ReceptiveField
    axes: tuple[int, int]

    @property
    def sizes(self) -> tuple[int, int]:
        return self.tensor.shape[self.axes[0]], self.tensor.shape[self.axes[1]]


def trace_receptive_fields(model: nn.Module, image: Tensor) -> dict[str, ReceptiveField]:
    """Runs a model once and says what the outputs of its modules read of the image.

    Sums and concatenations of branches read what any of them reads. Layers are judged by shapes, never by weights.

    Args:
        model: left as it is; it may be on the meta device, where nothing is computed.
        image: (N, C, H, W), on the model's device; large enough that no map is a single element before the end.

    Returns:
        By module name, those whose output is one tensor with rows and columns; "" is the model itself.
    """
    tracer = _Tracer(image)
    found: dict[str, ReceptiveField] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            known = tracer.maps.get(id(output))
            if known is not None:
                found[name] = known.field

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
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
    """What the maps that a function makes of an image read of it, (N, C, h, w) each; see `trace_receptive_fields`."""
    tracer = _Tracer(image)
    with torch.no_grad(), tracer:
        outputs = run(image)
    known = [tracer.maps.get(id(output)) for output in outputs]
    return [ReceptiveField(None) if each is None else each.field for each in known]


class _Tracer(TorchFunctionMode):
    """Follows every function of torch that is called."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.maps = {id(image): _Map(image, ReceptiveField((Window(), Window())), (2, 3))}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        outputs = func(*args, **kwargs)
        read = [self.maps[id(value)] for value in _tensors([args, kwargs.values()]) if id(value) in self.maps]
        if read:
            name = getattr(func, "__name__", "")
            for output in _tensors([outputs]):
                after = _after(name, args, kwargs, read, output)
                if after is not None:
                    self.maps[id(output)] = after
        return outputs


def _after(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], read: list[_Map], output: Tensor) -> _Map | None:
    """What the output of a function reads; null where it has no rows and columns any more."""
    first = read[0]
    axes = is_rearrangement(name, args, kwargs, first.axes, first.tensor.ndim)
    if axes is not None:
        return _Map(output, first.field, axes)
    if first.field.windows is not None and first.axes == (first.tensor.ndim - 2, first.tensor.ndim - 1):
        windows = find_windows(name, args, kwargs, first.field.windows, output)
        if windows is not None:
            return _Map(output, ReceptiveField(windows, first.field.gated), first.axes)
    if output.ndim != first.tensor.ndim:
        return None
    lost = _Map(output, ReceptiveField(None), first.axes)
    if name in _MIXING or (name == "linear" and output.ndim - 1 in first.axes):
        return lost
    largest = max(read, key=lambda each: each.sizes)
    if lost.sizes != largest.sizes:
        return lost
    return _Map(output, _joined(name, read, lost.sizes), first.axes)


def _joined(name: str, read: Sequence[_Map], sizes: tuple[int, int]) -> ReceptiveField:
    """Of functions that work at each place by itself, on one map or on several."""
    gated = name in _SCALING or any(each.field.gated for each in read)
    windows: tuple[Window, Window] | None = None
    for each in read:
        if each.field.windows is None and each.sizes == sizes:
            return ReceptiveField(None)
        if each.field.windows is None:  # one factor or summand for the whole map
            gated = True
        elif windows is None:
            windows = each.field.windows
        else:
            rows, columns = each.field.windows
            windows = (windows[0].joined(rows), windows[1].joined(columns))
    return ReceptiveField(windows, gated)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif not isinstance(value, str | bytes | dict) and hasattr(value, "__iter__"):
            yield from _tensors(value)
