"""How an epoch of training is made of several data sets."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from candelabra.data.sampling.train_order import Keys, Order, deal, permutation, whole


class Share(NamedTuple):
    """What one data set gives to an epoch."""

    name: str
    start: int  # where its training samples begin among those of all sets
    images: int  # its training samples
    quota: int  # images in an epoch


Turns = Callable[[int, int], Keys]  # how many turns, and a seed -> their order


def in_sequence(count: int, seed: int) -> Keys:
    """One set after another.

    >>> in_sequence(3, 0).tolist()
    [0, 1, 2]
    """
    return np.arange(count)


def quotas(counts: Sequence[int], epoch: int, temperature: float, unit: int = 1) -> list[int]:
    """Images that each set gives to an epoch: shares proportional to count ** (1 / temperature), in whole units.

    >>> quotas([900, 100], 1000, 1.0), quotas([900, 100], 1000, 2.0), quotas([900, 100], 1000, 1e9)
    ([900, 100], [750, 250], [500, 500])
    >>> quotas([900, 100], 1000, 1.0, unit=32)
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


class Mixed(Order):
    """A batch holds images of all sets, as their quotas fall; but in sequence, a last short batch is left out.

    Args:
        shares: of the sets; draw number d of a set, counted over all epochs, is number d % images of pass d // images.
        seed: of the order.
        turns: `permutation`, or `in_sequence`.
    """

    def __init__(self, shares: Sequence[Share], seed: int, turns: Turns) -> None:
        self.shares, self.seed, self.turns = shares, seed, turns
        self.complete = turns is in_sequence

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        keys = np.concatenate([draws(self.shares, number, epoch, self.seed) for number in range(len(self.shares))])
        sets = np.repeat(np.arange(len(self.shares)), [share.quota for share in self.shares])
        turns = sets[self.turns(len(sets), self.seed + epoch)]
        served = np.empty_like(keys)
        served[np.argsort(turns, kind="stable")] = keys  # the draws of each set in their own order
        # In sequence the end is always the same: a set shorter than a batch would never come.
        kept = served if self.turns is in_sequence else whole(served, size * ranks)
        return deal(kept, size, rank, ranks)


class Apart(Order):
    """A batch holds images of one set; whole batches come in turn, and ranks are given whole batches.

    Args: see `Mixed`; a quota is best a multiple of the batch.
    """

    def __init__(self, shares: Sequence[Share], seed: int, turns: Turns) -> None:
        self.shares, self.seed, self.turns = shares, seed, turns
        self.complete = turns is in_sequence

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        cut = [deal(draws(self.shares, number, epoch, self.seed), size, 0, 1) for number in range(len(self.shares))]
        sets = np.repeat(np.arange(len(cut)), [len(batches) for batches in cut])
        each = [iter(batches) for batches in cut]
        served = [next(each[number]) for number in sets[self.turns(len(sets), self.seed + epoch)]]
        over = -len(served) % ranks  # ranks that the last turn has no batch for
        return [*served, *[~served[-1][:1]] * over][rank::ranks]


def draws(shares: Sequence[Share], number: int, epoch: int, seed: int) -> Keys:
    """The keys that a set gives to an epoch, in the order in which they are drawn."""
    _, start, count, quota = shares[number]
    total = sum(share.images for share in shares)
    first, last = epoch * quota, (epoch + 1) * quota
    passes = range(first // count, (last - 1) // count + 1)
    keys = np.concatenate([one * total + start + permutation(count, seed + one) for one in passes])
    return keys[first - passes[0] * count : last - passes[0] * count]
