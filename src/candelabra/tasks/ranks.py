"""Sums and means over the ranks of a run."""

from typing import cast

import lightning as L
from torch import Tensor


def sum_over_ranks(trainer: L.Trainer, values: Tensor) -> Tensor:
    """The sum over ranks; `values` may be overwritten."""
    return cast(Tensor, trainer.strategy.reduce(values, reduce_op="sum"))


def average_over_ranks(trainer: L.Trainer, values: Tensor) -> Tensor:
    """The mean over ranks; `values` stay as they are."""
    return cast(Tensor, trainer.strategy.reduce(values.clone(), reduce_op="mean"))
