"""The order of samples: the batches of an epoch as keys of `TransformedDataset`, divided among ranks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

SampleKeys = NDArray[np.int64]
_GOLDEN = (5**0.5 - 1) / 2  # its multiples are spread most evenly over a circle


class SampleOrder(ABC):
    """The order of the samples of one split, a function of the epoch alone and so equal on all ranks.

    Attributes:
        complete: an epoch has every sample, also those of a last short batch.
    """

    complete: bool = False

    @abstractmethod
    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        """The batches of one rank in an epoch, as keys; every rank has the same number of batches.

        The batches of all ranks together are those of one process with `size` times `ranks` samples in a batch. A rank
        without a sample in the last batch gets a filler, see `deal_to_ranks`.

        Args:
            epoch: from 0.
            size: samples in a batch.
            rank: from 0 to `ranks` - 1.
            ranks: how many processes share the epoch.
        """


class TrainOrder(SampleOrder):
    """An order of training samples.

    Attributes:
        total: images in an epoch.
    """

    total: int


class ShuffledOrder(TrainOrder):
    """Each training sample once, shuffled anew in each epoch; a last short batch is left out unless it is the only one.

    Args:
        count: of the samples.
        seed: of the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = self.total = count
        self.seed = seed

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        keys = epoch * self.count + draw_permutation(self.count, self.seed + epoch)
        return deal_to_ranks(pad_to_batches(keys, size * ranks, ranks), size, rank, ranks)


class WeightedOrder(TrainOrder):
    """Repeats training samples by their expected counts, rounded to whole numbers; an epoch has a fixed length.

    Systematic sampling: samples lie on a line, stratum by stratum, each over a length equal to its expected count, and
    points at unit distance select them. The points move by the golden ratio from epoch to epoch, so a sample with the
    expected count 1/3 occurs in about every third epoch. A key counts the earlier occurrences of its sample, in this
    epoch and before, so that repetitions are augmented differently.

    Args:
        expected: (n,) mean number of occurrences of each sample in an epoch.
        strata: (n,) int; the total of each stratum is as expected, up to one sample more or less.
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
        """(n,) int64, the number of occurrences of each sample in an epoch."""
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
            pad_to_batches(keys[draw_permutation(self.total, self.seed + epoch)], size * ranks, ranks),
            size,
            rank,
            ranks,
        )


class SequentialOrder(SampleOrder):
    """Each sample once, in the order of the data; no batch crosses the end of a run.

    Args:
        counts: samples in each run; several runs where images of several sizes must not share a batch.
    """

    complete = True

    def __init__(self, counts: Sequence[int]) -> None:
        self.counts = counts

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        ends = np.cumsum(self.counts)
        runs = np.split(np.arange(ends[-1]), ends[:-1])
        return [batch for run in runs for batch in deal_to_ranks(run, size, rank, ranks)]


def draw_permutation(count: int, seed: int) -> SampleKeys:
    """A random permutation of the numbers below `count`."""
    drawn: SampleKeys = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    return drawn


def deal_to_ranks(keys: SampleKeys, size: int, rank: int, ranks: int) -> list[SampleKeys]:
    """Deals keys to ranks in turn, each once, and cuts those of a rank into batches.

    Where the last batch has fewer samples than there are ranks, the other ranks get a filler: `~key` of its first
    sample, the image without labels, which changes neither loss nor metrics (see `TransformedDataset`).
    """
    mine = keys[rank::ranks]
    batches = [mine[first : first + size] for first in range(0, len(mine), size)]
    last = len(keys) - 1 - (len(keys) - 1) % (size * ranks)  # where the last batch of all ranks begins
    return batches if len(batches) * size * ranks > last else [*batches, ~keys[last : last + 1]]


def pad_to_batches(keys: SampleKeys, size: int, ranks: int = 1) -> SampleKeys:
    """Drops the keys of a last short batch if there are keys for at least two batches, or for one and an image a rank.

    Batch normalisation cannot learn from a single image whose map is one pixel.
    """
    full = len(keys) // size
    return keys[: full * size] if full > 1 or (full == 1 and len(keys) - size <= ranks) else keys


class BatchOrder(Sampler[list[int]]):
    """Yields the batches of one rank, epoch by epoch.

    Args:
        order: of the samples.
        size: samples in a batch.
        rank, ranks: see `SampleOrder`.
        steps: batches that one optimizer step accumulates; those of a last short step are left out where those of a
            last short batch are, if there are at least two whole steps.

    Attributes:
        fixed: every epoch has the batches of the first one, as `trainer.overfit_batches` wants them.
        skip: batches at the beginning of the next pass to leave out, as they were served before.
        sampler: itself: Lightning calls `set_epoch` of `loader.sampler` and of `loader.batch_sampler.sampler`, never of
            the batch sampler.
    """

    def __init__(self, order: SampleOrder, size: int, rank: int = 0, ranks: int = 1, steps: int = 1) -> None:
        self.order, self.size, self.rank, self.ranks, self.steps = order, size, rank, ranks, steps
        self.epoch = self.skip = 0
        self.fixed = False
        self.length = len(self._batches(0))
        self.sampler = self

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next pass."""
        self.epoch = 0 if self.fixed else epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[list[int]]:
        # `skip` is reset when the first batch is requested: a loader with workers makes two iterators and uses one.
        skip, self.skip = self.skip, 0
        yield from (batch.tolist() for batch in islice(self._batches(self.epoch), skip, None))

    def _batches(self, epoch: int) -> list[SampleKeys]:
        batches = self.order.batches(epoch, self.size, self.rank, self.ranks)
        full = len(batches) // self.steps * self.steps
        return batches if self.order.complete or full < 2 * self.steps else batches[:full]
