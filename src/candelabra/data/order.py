"""In what order samples are served: the batches of an epoch, as keys of `Prepared`, shared out to ranks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

Keys = NDArray[np.int64]


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


class Shuffled(Order):
    """Each training sample once, in an order drawn for each epoch; a last short batch is left out if others are there.

    Args:
        count: of the samples.
        seed: of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[Keys]:
        keys = epoch * self.count + permutation(self.count, self.seed + epoch)
        return whole(deal(keys, size, rank, ranks), size)


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
        skip, self.skip = self.skip, 0
        batches = self.order.batches(self.epoch, self.size, self.rank, self.ranks)
        return (batch.tolist() for batch in islice(batches, skip, None))
