"""Transformed samples: a function of seed, epoch and index."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from candelabra.data.samples import Samples, digest
from candelabra.data.transforms import Preparation
from candelabra.types import Sample


class Prepared(Dataset[Sample]):
    """Transformed samples of one split, by key: epoch * len + index, so that augmentation depends on nothing else.

    Args:
        samples, indices: which samples.
        pipeline: what they go through.
        seed: of augmentation.
        views: see `DataModule`.

    Attributes:
        versions: how many versions of each sample there are; null for endlessly many.
    """

    def __init__(
        self,
        samples: Samples,
        indices: NDArray[np.int64],
        pipeline: Preparation,
        seed: int,
        views: int | None = None,
    ) -> None:
        self.samples, self.indices, self.pipeline, self.seed = samples, indices, pipeline, seed
        self.versions = 1 if pipeline.fixed else views

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int) -> Sample:
        index = int(self.indices[key % len(self)])
        sample = self.samples[index]
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(self._draws(key))
            return self.pipeline.of(index)(sample)

    def digest(self, key: int) -> bytes:
        """20 bytes that differ where what the pipeline gets, or draws, does."""
        content = self.samples.digest(int(self.indices[key % len(self)]))
        return content if self.pipeline.fixed else digest(content, self._draws(key))

    def row(self, key: int) -> int:
        """The number of a version of a sample among all len * versions; equal keys modulo that are one sample."""
        return key % (len(self) * self.versions) if self.versions else key

    def _draws(self, key: int) -> int:
        return self.seed * 1_000_003 + self.row(key)
