"""Batches with several images of each of their classes, as metric learning wants them: P classes of K images."""

import re

import numpy as np

from candelabra.data.sampling.train_order import SampleKeys, TrainOrder, deal_to_ranks, draw_permutation
from candelabra.errors import CandelabraError

_STRIDE = 7919  # between the seeds of two classes
_WORD = re.compile(r"([1-9]\d{0,3})_per_class")


def parse_per_class(sampler: str) -> int | None:
    """The number in a word such as `4_per_class`; null for other words.

    >>> parse_per_class("4_per_class"), parse_per_class("shuffled")
    (4, None)
    """
    found = _WORD.fullmatch(sampler)
    return int(found[1]) if found else None


class ClassBatchOrder(TrainOrder):
    """Each batch has `each` images of every class in it, on all ranks together; an epoch is as long as the data.

    Batches take classes in turn, so classes come equally often, and the images of a class in turn too: a class with
    fewer than `each` images has them several times in a batch, augmented differently. Images without a class never
    come.

    Args:
        classes: (n,) int64, of the training images; -1 where not labelled.
        each: images of a class in a batch, at least 2.
        seed: of the order.
    """

    def __init__(self, classes: SampleKeys, each: int, seed: int) -> None:
        self.each, self.seed, self.count = each, seed, len(classes)
        self.members = [np.flatnonzero(classes == number) for number in np.unique(classes[classes >= 0])]
        self.total = sum(map(len, self.members))

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        number, rest = divmod(size * ranks, self.each)
        if rest or number > len(self.members) or number < 2:
            raise CandelabraError(
                f"data.batch_size={size}{f' on {ranks} processes' if ranks > 1 else ''} must be 2 to "
                f"{len(self.members)} times {self.each}: data.sampler={self.each}_per_class puts {self.each} images of "
                f"each class into a batch, and {len(self.members)} classes have training images."
            )
        length, turns = max(1, self.total // (size * ranks)), len(self.members) // number
        served = [self._draw_batch(*divmod(epoch * length + batch, turns), number) for batch in range(length)]
        return [part for keys in served for part in deal_to_ranks(keys, size, rank, ranks)]

    def _draw_batch(self, turn: int, part: int, number: int) -> SampleKeys:
        """The keys of a batch: the classes of one part of a turn through all classes."""
        turns = draw_permutation(len(self.members), self.seed + turn)[part * number : (part + 1) * number]
        return np.concatenate([self._draw_class(int(place), turn) for place in turns])

    def _draw_class(self, place: int, turn: int) -> SampleKeys:
        """The next images of a class; one that comes again has another key."""
        members = self.members[place]
        passes, places = np.divmod(np.arange(turn * self.each, (turn + 1) * self.each), len(members))
        orders = {
            one: draw_permutation(len(members), self.seed + _STRIDE * place + one) for one in np.unique(passes).tolist()
        }
        drawn = [orders[int(one)][each] for one, each in zip(passes, places, strict=True)]
        return passes * self.count + members[drawn]
