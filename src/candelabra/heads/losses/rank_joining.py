"""Joins the samples of all ranks, for losses that compare samples with each other."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def join_ranks(rows: Tensor) -> Tensor:
    """The rows (n, ...) of all ranks, one rank after another, with gradients to each; n may differ, and be 0.

    All ranks must call this; they get the same values. What they compute of them has the gradient of all ranks
    together: that of one process with all rows.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    joined: Tensor = _GatherRanks.apply(rows)
    return joined


class _GatherRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        counts = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(dist.get_world_size())]
        dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
        numbers = [int(count) for count in counts]
        padded = rows.new_zeros(max(numbers), *rows.shape[1:])
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in numbers]
        dist.all_gather(found, padded)
        ctx.start, ctx.count = sum(numbers[: dist.get_rank()]), len(rows)
        return torch.cat([part[:count] for part, count in zip(found, numbers, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        whole = gradients[0].contiguous().clone()
        dist.all_reduce(whole)  # each rank's loss has all rows
        return whole[ctx.start : ctx.start + ctx.count]
