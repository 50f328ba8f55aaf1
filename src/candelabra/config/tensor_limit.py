"""A limit on the memory of networks that a config from a file describes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from candelabra.errors import CandelabraError

_FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace}
_FACTORIES |= {torch.eye, torch.empty_strided, torch.randint, torch.randperm, torch.logspace}
_LEAST = 1 << 15  # bytes that a tensor counts at least, for the objects around it: so their number is limited too
_SPARE = 2 << 30  # bytes beside the weights: classifiers that are built and dropped, tables of positions


class TensorLimit(TorchFunctionMode):
    """Within it, new tensors may take so many bytes in all; the one that would take more is not made.

    A file of 10 kB may say `hidden: 10000000000`: without a limit the machine would swap, or kill the process.

    Args:
        weights: bytes of the file with the weights of the network.
        source: what holds the config, for the message.

    Raises:
        CandelabraError: within it, where the tensors are too large.
    """

    def __init__(self, weights: int, source: str) -> None:
        super().__init__()
        self.left, self.source = 4 * weights + _SPARE, source

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func in _FACTORIES:
            made = func(
                *args, **{key: value for key, value in given.items() if key != "generator"} | {"device": "meta"}
            )
            self.left -= max(made.numel() * made.element_size(), _LEAST)
            if self.left < 0:
                raise CandelabraError(
                    f"{self.source} describes a network that is far larger than its weights; it is not built."
                )
        return func(*args, **given)
