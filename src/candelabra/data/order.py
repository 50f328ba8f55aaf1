"""In what order samples are served: the batches of an epoch, as keys of `Prepared`, shared out to ranks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

Keys = NDArray[np.int64]
GOLDEN = (5**0.5 - 1) / 2  # its multiples leave the smallest gaps on a circle


class Order(ABC):
    """A function of the epoch: equal on all ranks, whatever was served before."""

    @abstractmethod
    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        """What a rank is served in an epoch; every rank has the same number of batches.

        Args:
            epoch: from 0.
            size: samples in a batch.
            rank: from 0 to `ranks` - 1.
            ranks: how many processes share the epoch.
        """


class Drawn(Order):
    """An order of training images.

    Attributes:
        total: images in an epoch.
    """

    total: int


class Shuffled(Drawn):
    """Each training sample once, in an order drawn for each epoch; a last short batch is left out if others are there.

    Args:
        count: of the samples.
        seed: of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = self.total = count
        self.seed = seed

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        keys = epoch * self.count + permutation(self.count, self.seed + epoch)
        return whole(deal(keys, size, rank, ranks), size)


class Weighted(Drawn):
    """Training samples as often as is expected of each, as near as whole numbers allow; an epoch has a fixed length.

    Systematic sampling: samples lie on a line, stratum by stratum, each as long as its expected number, and a comb of
    unit spacing picks. It moves on by the golden ratio from epoch to epoch, so that a sample which is expected every
    third epoch comes about every third. A key counts how often its sample came before, in this epoch and in earlier
    ones, so that what comes twice is augmented in two ways.

    Args:
        expected: (n,) times that each sample is to come in an epoch, on average.
        strata: (n,) int; of each of these numbers as many samples come as are expected, but for one more or less.
        seed: of the order.
    """

    def __init__(self, expected: NDArray[np.float64], strata: Keys, seed: int) -> None:
        self.seed, self.total = seed, max(1, round(float(expected.sum())))
        rng = np.random.default_rng(seed)
        self.line = np.lexsort((rng.random(len(expected)), strata))
        ends = np.cumsum(expected[self.line])
        self.marks = np.concatenate([[0.0], ends * (self.total / ends[-1])])
        self.marks[-1] = self.total
        self.start = float(rng.random())

    def counts(self, epoch: int) -> Keys:
        """(n,) how often each sample comes in an epoch."""
        counts = np.empty(len(self.line), dtype=np.int64)
        counts[self.line] = np.diff(np.floor(self.marks + (self.start + epoch * GOLDEN) % 1))
        return counts

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        count, now = len(self.line), self.counts(epoch)
        before = sum((self.counts(earlier) for earlier in range(epoch)), np.zeros(count, dtype=np.int64))
        samples = np.repeat(np.arange(count), now)
        again = np.arange(self.total) - np.repeat(np.cumsum(now) - now, now)  # 0, 1, ... for each sample
        keys = (before[samples] + again) * count + samples
        return whole(deal(keys[permutation(self.total, self.seed + epoch)], size, rank, ranks), size)


class InTurn(Order):
    """Each sample once, one run of them after another, in the order they have; no batch goes over the end of a run.

    Args:
        counts: samples in each run; one, unless sizes differ.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = counts

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        ends = np.cumsum(self.counts)
        runs = np.split(np.arange(ends[-1]), ends[:-1])
        return [batch for run in runs for batch in deal(run, size, rank, ranks)]


def permutation(count: int, seed: int) -> Keys:
    """The numbers below `count`, as `seed` draws them."""
    drawn: Keys = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    return drawn


def deal(keys: Keys, size: int, rank: int, ranks: int) -> list[Keys]:
    """Gives keys to ranks in turn, the first ones again until all have as many, and cuts a rank's into batches."""
    mine = np.resize(keys, -(-len(keys) // ranks) * ranks)[rank::ranks]
    return np.split(mine, range(size, len(mine), size))


def whole(batches: list[Keys], size: int) -> list[Keys]:
    """The batches without a last short one, where at least two batches' worth of samples are there."""
    return batches[:-1] if len(batches) > 2 and len(batches[-1]) < size else batches


class Batches(Sampler[list[int]]):
    """Yields the batches of one rank, epoch by epoch.

    Args:
        order: of the samples.
        size: samples in a batch.
        rank, ranks: see `Order`.

    Attributes:
        skip: batches at the beginning of the next pass to leave out, as they were served before.
        sampler: itself, where Lightning looks for what it tells the epoch.
    """

    def __init__(self, order: Order, size: int, rank: int = 0, ranks: int = 1) -> None:
        self.order, self.size, self.rank, self.ranks = order, size, rank, ranks
        self.epoch = self.skip = 0
        self.length = len(order.batches(0, size, rank, ranks))
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next pass is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[list[int]]:
        # Nothing happens before the first is asked for: a loader with workers makes two iterators and uses one.
        skip, self.skip = self.skip, 0
        batches = self.order.batches(self.epoch, self.size, self.rank, self.ranks)
        yield from (batch.tolist() for batch in islice(batches, skip, None))
