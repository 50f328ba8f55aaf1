"""The loss of each head over the samples that have a label for it, on all ranks together."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from candelabra.backbones.sync_batchnorm import has_sync_batchnorm
from candelabra.data.transforms.batch_transforms import roll_partners
from candelabra.heads.head import Head
from candelabra.tasks.metrics import HeadMetrics
from candelabra.tasks.mixup import BlendShares
from candelabra.types import Features, Sample, SelectedRows, count_samples

NamedHeads = Sequence[tuple[str, Head]]


class HeadLosses(NamedTuple):
    """Of one batch.

    Args:
        each: () by head, the mean over labelled samples of all ranks; 0 where there is none. Single tensors, because
            `autograd.grad` of one element of a stacked tensor goes back through all losses, with zeros.
        counts: (m,) labelled samples on all ranks; of blended ones, the sum of the shares of their labels.
    """

    each: dict[str, Tensor]
    counts: Tensor

    @property
    def vector(self) -> Tensor:
        """(m,) the losses."""
        return torch.stack(list(self.each.values()))


def find_labelled_rows(batch: Sample, heads: NamedHeads) -> dict[str, Tensor]:
    """For each head, (n,) which samples of a batch have a label for it."""
    return {name: torch.nonzero(head.labelled(select_target(batch, head))).flatten() for name, head in heads}


def compute_losses(
    heads: NamedHeads,
    batch: Sample,
    features: Features,
    rows: Mapping[str, Tensor],
    measures: HeadMetrics | None = None,
    total: Callable[[Tensor], Tensor] | None = None,
) -> HeadLosses:
    """Runs each head on the samples that it has labels for; others would change the head's running statistics.

    Args:
        heads: of a task, with their names.
        batch: see `Sample`.
        features: of the batch's images.
        rows: see `find_labelled_rows`.
        measures: is updated where given.
        total: a tensor -> its sum over ranks; none for one process. A loss then has the value of all ranks, and the
            gradient of this rank's share, whose mean over ranks is the whole.
    """
    shares: Mapping[str, BlendShares] = batch.get("shares", {})
    together = total is not None
    sums = {name: _sum(name, head, batch, features, rows[name], measures, together) for name, head in heads}
    numbers = {name: shares[name].total if name in shares else float(len(rows[name])) for name, _ in heads}
    counts = torch.tensor(list(numbers.values())).to(features.final.device, non_blocking=True)
    if total is None:
        return HeadLosses({n: s / max(numbers[n], 1) for n, s in sums.items()}, counts)
    values, counts, ranks = total(
        torch.stack([torch.stack([s.detach() for s in sums.values()]), counts, torch.ones_like(counts)])
    )
    each = {}
    for position, (name, share) in enumerate(sums.items()):
        whole = counts[position].clamp(min=1)
        # The value is that of all ranks, the gradient that of this rank's share. DDP's mean of gradients is then the
        # gradient of the whole, and balances need not know about ranks.
        scaled = share * (ranks[position] / whole)
        each[name] = scaled + (values[position] / whole - scaled).detach()
    return HeadLosses(each, counts)


def _sum(
    name: str,
    head: Head,
    batch: Sample,
    features: Features,
    rows: Tensor,
    measures: HeadMetrics | None,
    together: bool,
) -> Tensor:
    """The losses of one head, summed over its labelled samples; of blended ones, as much as each label counts."""
    number = len(rows)
    shares: BlendShares | None = batch.get("shares", {}).get(name)
    if not number and together:
        return _nothing(head, features)
    if not number:
        return torch.stack([0 * p.sum() for p in head.parameters() if p.requires_grad]).sum().float()
    wanted, others = select_target(batch, head), roll_partners(select_target(batch, head)) if shares else None
    if number < count_samples(batch) or number == 1:
        if (
            number == 1 and head.training and not has_sync_batchnorm(head)
        ):  # twice, as batch normalisation needs two values
            rows = rows.repeat(2)
        features = Features(SelectedRows(features.maps, rows), features.final.index_select(0, rows), features.size)
        wanted = wanted.index_select(0, rows)
        others = others.index_select(0, rows) if others is not None else None
    outputs = head(features)
    values = head.loss(outputs, wanted, features.size)[:number]
    if shares is not None and others is not None:
        values = shares.weights[0] * values + shares.weights[1] * head.loss(outputs, others, features.size)[:number]
    if measures is not None:
        measures.update(name, head, outputs, wanted, values, features.size)
    return values.sum()


def _nothing(head: Head, features: Features) -> Tensor:
    """0 that all parameters take part in which labels would teach: a rank that left some out would keep others waiting.

    In evaluation, as the head must not change; or of no samples, where processes normalise together.
    """
    if has_sync_batchnorm(head):
        none = Features([each[:0] for each in features.maps], features.final[:0], features.size)
        return cast(Tensor, head(none)).sum().float()
    training = head.training
    first = Features([each[:1] for each in features.maps], features.final[:1], features.size)
    outputs = head.eval()(first)
    head.train(training)
    return cast(Tensor, outputs[:0].sum().float())


def share_statistics(heads: Mapping[str, Head], batch: Sample, total: Callable[[Tensor], Tensor]) -> None:
    """Averages the heads' running statistics over ranks, by how many labelled samples each had, after the backward.

    A rank without a label did not run the head. DDP would broadcast rank 0's statistics in the next forward, whether
    rank 0 had labels or not.

    Args:
        heads: by name.
        batch: of this rank, with `rows`.
        total: see `compute_losses`.
    """
    for name, head in heads.items():
        statistics = [buffer for key, buffer in head.named_buffers() if key.endswith(("running_mean", "running_var"))]
        number = float(len(batch["rows"][name]))
        if not statistics:
            continue
        flat = torch.cat([buffer.flatten() for buffer in statistics])
        *sums, samples = total(torch.cat([flat * number, flat.new_tensor([number])])).split([len(flat), 1])
        if samples:
            for buffer, mean in zip(
                statistics, (sums[0] / samples).split([b.numel() for b in statistics]), strict=True
            ):
                buffer.copy_(mean.view_as(buffer))


def select_target(batch: Sample, head: Head) -> Tensor:
    """What a head learns from."""
    return cast(Tensor, batch[head.target])
