"""Transformed samples: a function of seed, epoch and index."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.samples import Samples, add_missing_targets, hash_contents
from candelabra.data.samples import make_sample as make_sample
from candelabra.data.transforms.pipeline import SampleTransforms, TransformPipeline
from candelabra.data.views.drop_labels import blank_targets
from candelabra.types import Sample

log = logging.getLogger(__name__)


class TransformedDataset(Dataset[Sample]):
    """Transformed samples of one split, by key: epoch * len + index, so that augmentation depends on nothing else.

    `~key` is a sample without its labels, which stands in where a rank has none to be served.

    Args:
        samples, indices: which samples.
        pipeline: what they go through.
        seed: of augmentation.
        views: see `DataModule`.
        lenient: where a file cannot be read, give a grey image without labels.
        replaced: (n,) bool, by index of the sample, in memory that workers share: where that was done; null for one
            of its own.

    Attributes:
        versions: how many versions of each sample there are; null for endlessly many.
    """

    def __init__(
        self,
        samples: Samples,
        indices: NDArray[np.int64],
        pipeline: SampleTransforms,
        seed: int,
        views: int | None = None,
        lenient: bool = False,
        replaced: Tensor | None = None,
    ) -> None:
        self.samples, self.indices, self.pipeline, self.seed = samples, indices, pipeline, seed
        self.lenient = lenient
        self.replaced = torch.zeros(len(samples), dtype=torch.bool) if replaced is None else replaced
        self.versions = 1 if pipeline.fixed else views

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: int) -> Sample:
        if key < 0:
            return blank_targets(self[~key], self.samples.labels)
        index = int(self.indices[key % len(self)])
        pipeline = self.pipeline.of(index)
        sample = self._read(index, pipeline)
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(self._draws(key))
            return pipeline(sample)

    def _read(self, index: int, pipeline: TransformPipeline) -> Sample:
        try:
            return self.samples.load(index, pipeline.least)
        except UnreadableFile as error:
            if not self.lenient:
                raise
            if not self.replaced[index]:  # else another epoch or worker has said so
                log.warning("%s A grey image without labels stands in for it.", error)
                self.replaced[index] = True
            grey = torch.full((3, *(pipeline.least or (64, 64))), 128, dtype=torch.uint8)
            return add_missing_targets(make_sample(grey), pipeline.read_labels)

    def digest(self, key: int) -> bytes:
        """20 bytes that differ where what the pipeline gets, or draws, does."""
        index = int(self.indices[key % len(self)])
        try:
            if self.replaced[index]:  # grey stood in: that is not what the file says
                raise UnreadableFile(self.samples.names[index])
            content = self.samples.digest(index)
        except UnreadableFile:  # what stands in for it has no labels and is always the same
            if not self.lenient:
                raise
            content = hash_contents("unreadable", self.samples.names[index])
        return content if self.pipeline.fixed else hash_contents(content, self._draws(key))

    def current(self, key: int, found: bytes) -> bytes:
        """The digest of a sample that had another before its file turned out to be unreadable; `found` otherwise."""
        return self.digest(key) if self.replaced[int(self.indices[key % len(self)])] else found

    def row(self, key: int) -> int:
        """The number of a version of a sample among all len * versions; equal keys modulo that are one sample."""
        key = max(key, ~key)
        return key % (len(self) * self.versions) if self.versions else key

    def _draws(self, key: int) -> int:
        return self.seed * 1_000_003 + self.row(key)
