"""In what order samples are served: the batches of an epoch, as keys of `Prepared`, shared out to ranks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

SampleKeys = NDArray[np.int64]
_GOLDEN = (5**0.5 - 1) / 2  # its multiples leave the smallest gaps on a circle


class SampleOrder(ABC):
    """A function of the epoch: equal on all ranks, whatever was served before.

    Attributes:
        complete: every sample is served, also those of a last short batch.
    """

    complete: bool = False

    @abstractmethod
    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        """What a rank is served in an epoch; every rank has the same number of batches.

        The ranks' batches together are those of one process with `size` times `ranks` samples in a batch. A rank for
        which the last has no sample left is served a stand-in, see `deal_to_ranks`.

        Args:
            epoch: from 0.
            size: samples in a batch.
            rank: from 0 to `ranks` - 1.
            ranks: how many processes share the epoch.
        """


class TrainOrder(SampleOrder):
    """An order of training images.

    Attributes:
        total: images in an epoch.
    """

    total: int


class ShuffledOrder(TrainOrder):
    """Each training sample once, in an order drawn for each epoch; a last short batch is left out if others are there.

    Args:
        count: of the samples.
        seed: of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = self.total = count
        self.seed = seed

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        keys = epoch * self.count + draw_permutation(self.count, self.seed + epoch)
        return deal_to_ranks(pad_to_batches(keys, size * ranks), size, rank, ranks)


class WeightedOrder(TrainOrder):
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

    def __init__(self, expected: NDArray[np.float64], strata: SampleKeys, seed: int) -> None:
        self.seed, self.total = seed, max(1, round(float(expected.sum())))
        rng = np.random.default_rng(seed)
        self.line = np.lexsort((rng.random(len(expected)), strata))
        ends = np.cumsum(expected[self.line])
        self.marks = np.concatenate([[0.0], ends * (self.total / ends[-1])])
        self.marks[-1] = self.total
        self.start = float(rng.random())

    def counts(self, epoch: int) -> SampleKeys:
        """(n,) how often each sample comes in an epoch."""
        counts = np.empty(len(self.line), dtype=np.int64)
        counts[self.line] = np.diff(np.floor(self.marks + (self.start + epoch * _GOLDEN) % 1))
        return counts

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        count, now = len(self.line), self.counts(epoch)
        before = sum((self.counts(earlier) for earlier in range(epoch)), np.zeros(count, dtype=np.int64))
        samples = np.repeat(np.arange(count), now)
        again = np.arange(self.total) - np.repeat(np.cumsum(now) - now, now)  # 0, 1, ... for each sample
        keys = (before[samples] + again) * count + samples
        return deal_to_ranks(
            pad_to_batches(keys[draw_permutation(self.total, self.seed + epoch)], size * ranks), size, rank, ranks
        )


class SequentialOrder(SampleOrder):
    """Each sample once, one run of them after another, in the order they have; no batch goes over the end of a run.

    Args:
        counts: samples in each run; one, unless sizes differ.
    """

    complete = True

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = counts

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        ends = np.cumsum(self.counts)
        runs = np.split(np.arange(ends[-1]), ends[:-1])
        return [batch for run in runs for batch in deal_to_ranks(run, size, rank, ranks)]


def draw_permutation(count: int, seed: int) -> SampleKeys:
    """The numbers below `count`, as `seed` draws them."""
    drawn: SampleKeys = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    return drawn


def deal_to_ranks(keys: SampleKeys, size: int, rank: int, ranks: int) -> list[SampleKeys]:
    """Gives keys to ranks in turn, each once, and cuts a rank's into batches.

    Where the last batch has fewer samples than there are ranks, the others get a stand-in: `~key` of its first
    sample, which is its image without a label, so that it neither teaches nor counts (see `Prepared`).
    """
    mine = keys[rank::ranks]
    batches = [mine[first : first + size] for first in range(0, len(mine), size)]
    last = len(keys) - 1 - (len(keys) - 1) % (size * ranks)  # where the last batch of all ranks begins
    return batches if len(batches) * size * ranks > last else [*batches, ~keys[last : last + 1]]


def pad_to_batches(keys: SampleKeys, size: int) -> SampleKeys:
    """The keys without those of a last short batch, where at least two batches' worth of samples are there."""
    full = len(keys) // size
    return keys[: full * size] if full > 1 else keys


class BatchOrder(Sampler[list[int]]):
    """Yields the batches of one rank, epoch by epoch.

    Args:
        order: of the samples.
        size: samples in a batch.
        rank, ranks: see `SampleOrder`.
        steps: batches that one step of the optimizer takes together; those of a last short step are left out where
            the samples of a last short batch are, and at least two other steps are there.

    Attributes:
        skip: batches at the beginning of the next pass to leave out, as they were served before.
        sampler: itself: Lightning calls `set_epoch` of `loader.sampler` and of `loader.batch_sampler.sampler`, never of
            the batch sampler.
    """

    def __init__(self, order: SampleOrder, size: int, rank: int = 0, ranks: int = 1, steps: int = 1) -> None:
        self.order, self.size, self.rank, self.ranks, self.steps = order, size, rank, ranks, steps
        self.epoch = self.skip = 0
        self.length = len(self._batches(0))
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next pass is."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[list[int]]:
        # Nothing happens before the first is asked for: a loader with workers makes two iterators and uses one.
        skip, self.skip = self.skip, 0
        yield from (batch.tolist() for batch in islice(self._batches(self.epoch), skip, None))

    def _batches(self, epoch: int) -> list[SampleKeys]:
        batches = self.order.batches(epoch, self.size, self.rank, self.ranks)
        full = len(batches) // self.steps * self.steps
        return batches if self.order.complete or full < 2 * self.steps else batches[:full]
