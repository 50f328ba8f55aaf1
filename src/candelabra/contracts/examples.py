"""Samples that are made of a target's examples."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.samples import Samples, hash_contents, make_sample
from candelabra.data.targets import Labels, Target
from candelabra.types import Sample

SIZE = (96, 128)  # (H, W) of example images
_SPLITS = ("train", "train", "val", "test")


def make_examples(kind: type[Target], count: int) -> tuple[Target, list[Tensor]]:
    """A target and labelled values of it."""
    rng = np.random.default_rng(0)
    made = [kind.example(SIZE, rng) for _ in range(count)]
    return made[0][0], [value for _, value in made]


def make_value_batch(kind: type[Target]) -> tuple[Target, Tensor]:
    """A target, and a batch of two labelled values around one that is not."""
    target, (first, last) = make_examples(kind, 2)
    return target, target.collate([first, target.missing(SIZE).to(first.dtype), last])


class ExampleSamples(Samples):
    """Four samples of one target; the second is not labelled.

    Args:
        kind: of the target.
    """

    def __init__(self, kind: type[Target]) -> None:
        target, self.values = make_examples(kind, len(_SPLITS))
        self.values[1] = target.missing(SIZE)
        self.labels = Labels(target)
        self.names = [f"{split}{number}" for number, split in enumerate(_SPLITS)]
        self.published = np.array(_SPLITS, "<U5")
        self.strata = np.full(len(_SPLITS), -1, np.int64)

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        image = torch.randint(256, (3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(index))
        return make_sample(image, self.labels, dict.fromkeys(self.labels, self.values[index]))

    def digest(self, index: int) -> bytes:
        return hash_contents(index, self.values[index])

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {name: np.arange(len(self)) != 1 for name in self.labels}
