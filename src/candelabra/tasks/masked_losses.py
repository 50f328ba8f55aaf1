"""The loss of each head over the samples that have a label for it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from candelabra.backbones.sync_batchnorm import has_sync_batchnorm
from candelabra.data.transforms.batch_transforms import roll_partners
from candelabra.heads.head import Head
from candelabra.tasks.metrics import HeadMetrics
from candelabra.tasks.mixup import BlendShares, check_blendable, compute_blend_shares
from candelabra.types import Features, Sample, SelectedRows, count_samples

NamedHeads = Sequence[tuple[str, Head]]


class HeadLosses(NamedTuple):
    """Mean loss of each head on one batch, over all ranks.

    Args:
        each: head name -> () mean over the labelled samples of all ranks; 0 where there is none. Single tensors:
            `autograd.grad` of one element of a stacked tensor goes back through all losses, with zeros.
        counts: (m,) labelled samples on all ranks; in a blended batch, the sum of the weights of their labels.
    """

    each: dict[str, Tensor]
    counts: Tensor

    @property
    def vector(self) -> Tensor:
        """The m losses as one tensor (m,)."""
        return torch.stack(list(self.each.values()))

    def detach(self) -> dict[str, Tensor]:
        """Head name -> loss, without a gradient."""
        return {name: value.detach() for name, value in self.each.items()}


class LossSums(NamedTuple):
    """Sum of the losses of each head on the batch of one rank.

    Args:
        sums: head name -> () sum over the labelled samples.
        counts: head name -> labelled samples; in a blended batch, the sum of the weights of their labels.
        samples: head name -> (n,) the loss of each labelled sample, without a gradient.
    """

    sums: dict[str, Tensor]
    counts: dict[str, float]
    samples: dict[str, Tensor]

    def average(self, sum_ranks: Callable[[Tensor], Tensor] | None = None) -> HeadLosses:
        """Divides by the number of labelled samples of all ranks.

        Args:
            sum_ranks: tensor -> its sum over ranks; none in a run of one process. With it, a loss has the value of all
                ranks and the gradient of this rank's part, so that DDP's mean over ranks is the whole gradient.
        """
        counts = torch.tensor(list(self.counts.values()))
        counts = counts.to(next(iter(self.sums.values())).device, non_blocking=True)
        if sum_ranks is None:
            return HeadLosses({name: value / max(self.counts[name], 1) for name, value in self.sums.items()}, counts)
        values = torch.stack([value.detach() for value in self.sums.values()])
        values, counts, ranks = sum_ranks(torch.stack([values, counts, torch.ones_like(counts)]))
        each = {}
        for index, (name, own) in enumerate(self.sums.items()):
            total = counts[index].clamp(min=1)
            # The value is that of all ranks, the gradient that of this rank's part. DDP's mean of gradients is then the
            # gradient of the whole, and balances need not know about ranks.
            scaled = own * (ranks[index] / total)
            each[name] = scaled + (values[index] / total - scaled).detach()
        return HeadLosses(each, counts)


class HeadInputs(NamedTuple):
    """The labelled samples of a batch for one head.

    Args:
        features: of n samples.
        target: (n, ...) of these samples.
        partner: (n, ...) targets of the images that these are blended with; none in an unblended batch.
    """

    features: Features
    target: Tensor
    partner: Tensor | None


def find_labelled_rows(batch: Sample, heads: NamedHeads) -> dict[str, Tensor]:
    """Returns, by head name, the indices (n,) of the samples that have a label for the head."""
    return {name: torch.nonzero(head.labelled(select_target(batch, head))).flatten() for name, head in heads}


def find_labels(batch: Sample, heads: NamedHeads) -> Sample:
    """Adds `rows`, the labelled samples of each head, to a batch, and `shares` to a blended one.

    Raises:
        CandelabraError: the batch is blended, and a head learns a target that cannot be.
    """
    if "blend" not in batch:
        return {**batch, "rows": find_labelled_rows(batch, heads)}
    check_blendable(dict(heads))
    rows, shares = compute_blend_shares(batch, heads)
    return {**batch, "rows": rows, "shares": shares}


def masked_losses(
    heads: NamedHeads,
    batch: Sample,
    features: Features,
    metrics: HeadMetrics | None = None,
    distributed: bool = False,
) -> LossSums:
    """Runs each head on the samples that have a label for it, and sums its losses.

    A head never sees the other samples: they would change its running statistics.

    Args:
        heads: names and heads.
        batch: targets, and `rows` and `shares` where a task has prepared the batch.
        features: of the images of the batch.
        metrics: updated with the labelled samples, if given.
        distributed: several ranks train together, so a head without a label takes part in the backward pass too.
    """
    rows = batch["rows"] if "rows" in batch else find_labelled_rows(batch, heads)
    shares: Mapping[str, BlendShares] = batch.get("shares", {})
    sums: dict[str, Tensor] = {}
    counts: dict[str, float] = {}
    samples: dict[str, Tensor] = {}
    for name, head in heads:
        count, share = rows[name].shape[0], shares.get(name)  # `len` of a tensor takes four times as long
        counts[name] = float(count) if share is None else share.total
        if not count:
            sums[name] = _compute_zero_loss(head, batch, features, distributed)
            continue
        inputs = _select_rows(head, batch, features, rows[name], share is not None)
        outputs = head(inputs.features)
        losses = head.loss(outputs, inputs.target, features.size)[:count]
        if share is not None and inputs.partner is not None:
            partner = head.loss(outputs, inputs.partner, features.size)[:count]
            losses = share.weights[0] * losses + share.weights[1] * partner
        if metrics is not None:
            metrics.update(name, head, outputs, inputs.target, losses, features.size)
        sums[name], samples[name] = losses.sum(), losses.detach()
    return LossSums(sums, counts, samples)


def _select_rows(head: Head, batch: Sample, features: Features, rows: Tensor, blended: bool) -> HeadInputs:
    """The features and targets of the labelled samples of a head."""
    target = select_target(batch, head)
    partner = roll_partners(target) if blended else None
    count = rows.shape[0]
    if 1 < count == count_samples(batch):
        return HeadInputs(features, target, partner)
    if count == 1 and head.training and not head.compares_samples and not has_sync_batchnorm(head):
        rows = rows.repeat(2)  # batch normalisation in training mode needs two values a channel
    selected = Features(SelectedRows(features.maps, rows), features.final.index_select(0, rows), features.size)
    return HeadInputs(
        selected, target.index_select(0, rows), partner.index_select(0, rows) if partner is not None else None
    )


def _compute_zero_loss(head: Head, batch: Sample, features: Features, distributed: bool) -> Tensor:
    """0, with a gradient of 0 for each parameter of a head without a labelled sample.

    With several ranks, the parameters are those that a label would teach: DDP waits for the gradient of each of them.
    The head runs in evaluation mode, so that it does not change, or on no samples if ranks normalise together.
    """
    if not distributed:
        return sum((0 * p.sum() for p in head.parameters() if p.requires_grad), features.final.new_zeros(())).float()
    if has_sync_batchnorm(head):
        none = Features([each[:0] for each in features.maps], features.final[:0], features.size)
        return _sum_of_none(head, batch, cast(Tensor, head(none)), features.size)
    training = head.training
    first = Features([each[:1] for each in features.maps], features.final[:1], features.size)
    outputs = head.eval()(first)
    head.train(training)
    return _sum_of_none(head, batch, outputs[:0], features.size)


def _sum_of_none(head: Head, batch: Sample, outputs: Tensor, size: tuple[int, int]) -> Tensor:
    """The sum of the outputs of no sample; by way of the loss where the other ranks wait for this one in it."""
    losses = head.loss(outputs, select_target(batch, head)[:0], size) if head.compares_samples else outputs
    return losses.sum().float()


def select_target(batch: Sample, head: Head) -> Tensor:
    """The values of a batch that a head learns from."""
    return cast(Tensor, batch[head.target])
