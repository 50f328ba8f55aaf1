"""Composes an epoch of training from several data sets."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from candelabra.data.sampling.train_order import (
    SampleKeys,
    SampleOrder,
    deal_to_ranks,
    draw_permutation,
    pad_to_batches,
)


class MixtureShare(NamedTuple):
    """The share of one data set in an epoch.

    Args:
        name: of the data set.
        start: position of its first training sample among those of all sets.
        images: number of its training samples.
        quota: images that it gives to an epoch.
    """

    name: str
    start: int
    images: int
    quota: int


MixtureTurn = Callable[[int, int], SampleKeys]  # how many turns, and a seed -> their order


def order_in_sequence(count: int, seed: int) -> SampleKeys:
    """One set after another.

    >>> order_in_sequence(3, 0).tolist()
    [0, 1, 2]
    """
    return np.arange(count)


def divide_quota(counts: Sequence[int], epoch: int, temperature: float, unit: int = 1) -> list[int]:
    """The images that each set gives to an epoch: proportional to count ** (1 / temperature), in multiples of `unit`.

    >>> divide_quota([900, 100], 1000, 1.0), divide_quota([900, 100], 1000, 2.0), divide_quota([900, 100], 1000, 1e9)
    ([900, 100], [750, 250], [500, 500])
    >>> divide_quota([900, 100], 1000, 1.0, unit=32)
    [896, 96]
    """
    logs = np.log(counts) / temperature
    weights = np.exp(logs - logs.max())
    exact = epoch * weights / weights.sum()
    if unit > 1:
        return [max(1, round(value / unit)) * unit for value in exact]
    parts = np.maximum(np.floor(exact + 1e-9), 1).astype(int)
    parts[np.argsort(parts - exact, kind="stable")[: max(0, epoch - int(parts.sum()))]] += 1  # the largest remainders
    while parts.sum() > epoch:  # where a set would have had none
        parts[parts.argmax()] -= 1
    return [int(value) for value in parts]


class MixedOrder(SampleOrder):
    """Batches with images of all sets. A last short batch is left out, except where the sets come in sequence.

    Args:
        shares: of the sets; draw number d of a set, counted over all epochs, is number d % images of pass d // images.
        seed: of the order.
        turns: `draw_permutation`, or `order_in_sequence`.
    """

    def __init__(self, shares: Sequence[MixtureShare], seed: int, turns: MixtureTurn) -> None:
        self.shares, self.seed, self.turns = shares, seed, turns
        self.complete = turns is order_in_sequence

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        keys = np.concatenate(
            [draw_mixture(self.shares, number, epoch, self.seed) for number in range(len(self.shares))]
        )
        sets = np.repeat(np.arange(len(self.shares)), [share.quota for share in self.shares])
        turns = sets[self.turns(len(sets), self.seed + epoch)]
        served = np.empty_like(keys)
        served[np.argsort(turns, kind="stable")] = keys  # the draws of each set keep their order
        # In sequence the end of an epoch is always the same: a last set shorter than a batch would never be used.
        kept = served if self.turns is order_in_sequence else pad_to_batches(served, size * ranks, ranks)
        return deal_to_ranks(kept, size, rank, ranks)


class SingleSetOrder(SampleOrder):
    """Batches with images of one set each; ranks get whole batches in turn.

    Args: see `MixedOrder`; a quota is best a multiple of the batch.
    """

    def __init__(self, shares: Sequence[MixtureShare], seed: int, turns: MixtureTurn) -> None:
        self.shares, self.seed, self.turns = shares, seed, turns
        self.complete = turns is order_in_sequence

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        cut = [
            deal_to_ranks(draw_mixture(self.shares, number, epoch, self.seed), size, 0, 1)
            for number in range(len(self.shares))
        ]
        sets = np.repeat(np.arange(len(cut)), [len(batches) for batches in cut])
        each = [iter(batches) for batches in cut]
        served = [next(each[number]) for number in sets[self.turns(len(sets), self.seed + epoch)]]
        over = -len(served) % ranks  # ranks without a batch in the last turn
        return [*served, *[~served[-1][:1]] * over][rank::ranks]


def draw_mixture(shares: Sequence[MixtureShare], number: int, epoch: int, seed: int) -> SampleKeys:
    """The keys that a set gives to an epoch, in the order in which they are drawn."""
    _, start, count, quota = shares[number]
    total = sum(share.images for share in shares)
    first, last = epoch * quota, (epoch + 1) * quota
    passes = range(first // count, (last - 1) // count + 1)
    keys = np.concatenate([one * total + start + draw_permutation(count, seed + one) for one in passes])
    return keys[first - passes[0] * count : last - passes[0] * count]
