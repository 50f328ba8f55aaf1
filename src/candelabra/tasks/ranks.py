"""Sums and means over the ranks of a run."""

from collections.abc import Callable
from functools import partial
from typing import cast

import lightning as L
from torch import Tensor


def sum_over_ranks(trainer: L.Trainer, values: Tensor) -> Tensor:
    """The sum over ranks; `values` may be overwritten."""
    return cast(Tensor, trainer.strategy.reduce(values, reduce_op="sum"))


def make_rank_sum(task: L.LightningModule) -> Callable[[Tensor], Tensor] | None:
    """Tensor -> its sum over the ranks of a task that train together; none in one process, and as ranks evaluate alone.

    Args:
        task: with a trainer.
    """
    together = task.training and task.trainer.world_size > 1
    return partial(sum_over_ranks, task.trainer) if together else None


def average_over_ranks(trainer: L.Trainer, values: Tensor) -> Tensor:
    """The mean over ranks; `values` stay as they are."""
    return cast(Tensor, trainer.strategy.reduce(values.clone(), reduce_op="mean"))
