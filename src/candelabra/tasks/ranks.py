"""Sums and means over the ranks of a run."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import lightning as L
import torch
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


def count_ranks(task: L.LightningModule, here: Sequence[bool]) -> list[float]:
    """The number of ranks where each of some values is true; in one process without a tensor.

    Args:
        task: with a trainer.
        here: values of this rank.
    """
    own = [float(value) for value in here]
    if task.trainer.world_size == 1:
        return own
    return cast(list[float], sum_over_ranks(task.trainer, torch.tensor(own, device=task.device)).tolist())


def average_over_ranks(trainer: L.Trainer, values: Tensor) -> Tensor:
    """The mean over ranks; `values` stay as they are."""
    return cast(Tensor, trainer.strategy.reduce(values.clone(), reduce_op="mean"))
