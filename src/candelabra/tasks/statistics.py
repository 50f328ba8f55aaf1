"""Running statistics of a task: averaged over ranks, copied to them, and preserved."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from candelabra.heads.head import Head
from candelabra.types import Sample


def average_statistics(heads: Sequence[tuple[str, Head]], batch: Sample, sum_ranks: Callable[[Tensor], Tensor]) -> None:
    """Averages the heads' running statistics over ranks, weighted by their numbers of labelled samples.

    Call it after the backward pass. A rank without a label did not run the head, and DDP would broadcast the statistics
    of rank 0 whether it had labels or not.

    Args:
        heads: names and heads.
        batch: of this rank, with `rows`.
        sum_ranks: tensor -> its sum over ranks.
    """
    for name, head in heads:
        statistics = [buffer for key, buffer in head.named_buffers() if key.endswith(("running_mean", "running_var"))]
        number = float(len(batch["rows"][name]))
        if not statistics:
            continue
        flat = torch.cat([buffer.flatten() for buffer in statistics])
        *sums, samples = sum_ranks(torch.cat([flat * number, flat.new_tensor([number])])).split([len(flat), 1])
        if samples:
            means = (sums[0] / samples).split([buffer.numel() for buffer in statistics])
            for buffer, mean in zip(statistics, means, strict=True):
                buffer.copy_(mean.view_as(buffer))


def observe_labels(
    heads: Sequence[tuple[str, Head]], batch: Sample, sum_ranks: Callable[[Tensor], Tensor] | None
) -> None:
    """Shows each head the labels of a training batch; see `Head.observe_labels`.

    Args:
        heads: names and heads.
        batch: of this rank; with `rows`, unless all of it is searched for labels.
        sum_ranks: see `average_statistics`; none in a run of one process.
    """
    for name, head in heads:
        if type(head).observe_labels is Head.observe_labels:
            continue  # it looks at none: no copy of masks and images
        target = cast(Tensor, batch[head.target])
        rows = batch["rows"][name] if "rows" in batch else torch.nonzero(head.labelled(target)).flatten()
        head.observe_labels(target.index_select(0, rows), sum_ranks or (lambda values: values))


def broadcast_buffers(module: nn.Module) -> None:
    """Copies the buffers of rank 0 to all ranks.

    DDP does so in the next training forward. Without a validation epoch each rank would end the epoch with running
    statistics of its own.
    """
    for buffer in module.buffers():
        torch.distributed.broadcast(buffer, 0)


@contextmanager
def preserve_buffers(*modules: nn.Module) -> Iterator[None]:
    """Restores the buffers of the modules at the end of the context."""
    buffers = [buffer for module in modules for buffer in module.buffers()]
    saved = [buffer.clone() for buffer in buffers]
    yield
    for buffer, value in zip(buffers, saved, strict=True):
        buffer.copy_(value)
