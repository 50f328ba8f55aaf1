"""A second rank that has no sample, for tests of metrics that keep samples."""

from typing import Any

import torch
from torch import Tensor


def join_empty_rank(state: Tensor, group: Any) -> list[Tensor]:
    """What torchmetrics gathers: the other rank sends an empty tensor, which must be of the kind of the state."""
    empty = torch.tensor([])
    assert (state.ndim, state.dtype) == (empty.ndim, empty.dtype)
    return [state, empty]
