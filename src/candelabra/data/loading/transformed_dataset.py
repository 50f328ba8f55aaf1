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
from candelabra.data.transforms.sample_geometry import choose_grey
from candelabra.data.views.drop_labels import blank_targets
from candelabra.types import Sample

log = logging.getLogger(__name__)


class TransformedDataset(Dataset[Sample]):
    """Transformed samples of one split by key = epoch * len + position; augmentation depends on the key alone.

    The key `~key` gives the sample of `key` without labels; a rank that has no sample left gets it as a filler.

    Args:
        samples: of all splits.
        indices: of the samples of this split.
        pipeline: transforms.
        seed: of augmentation.
        views: augmented versions of each sample; see `SampleDataModule`.
        lenient: return a grey image without labels for a file that cannot be read, instead of raising.
        replaced: (n,) bool, by index of the sample, in memory shared with workers: which samples were replaced by grey
            images; null creates one for this dataset.

    Attributes:
        versions: how many versions of each sample exist; null where every epoch draws a new one.
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
            sample = blank_targets(self[~key], self.samples.labels)
            image = sample["image"]  # nothing to learn from it either
            return {**sample, "image": torch.full_like(image, choose_grey(image))}
        index = int(self.indices[key % len(self)])
        pipeline = self.pipeline.of(index)
        sample = self._read(index, pipeline)
        partners = self._draw_partners(key, pipeline)
        if partners and pipeline.mosaic:
            sample = pipeline.mosaic.join([sample, *(self._read(each, self.pipeline.of(each)) for each in partners)])
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(self._draw_seed(key))
            return pipeline(sample)

    def _draw_partners(self, key: int, pipeline: TransformPipeline) -> list[int]:
        """Indices of the samples that a mosaic joins to this one."""
        drawn = pipeline.mosaic.draw_partners(len(self), self._draw_seed(key)) if pipeline.mosaic else []
        return [int(self.indices[position]) for position in drawn]

    def _read(self, index: int, pipeline: TransformPipeline) -> Sample:
        try:
            return self.samples.load(index, pipeline.least)
        except UnreadableFile as error:
            if not self.lenient:
                raise
            if not self.replaced[index]:  # else another epoch or worker has logged it
                log.warning("%s A grey image without labels stands in for it.", error)
                self.replaced[index] = True
            grey = torch.full((3, *(pipeline.least or (64, 64))), 128, dtype=torch.uint8)
            return add_missing_targets(make_sample(grey), pipeline.read_labels)

    def digest(self, key: int) -> bytes:
        """A hash of 20 bytes of the input of the pipeline and of its random seed."""
        index = int(self.indices[key % len(self)])
        try:
            if self.replaced[index]:  # by grey, so the hash of the file would be wrong
                raise UnreadableFile(self.samples.names[index])
            content = self.samples.digest(index)
        except UnreadableFile:  # the grey image has no labels and is always the same
            if not self.lenient:
                raise
            content = hash_contents("unreadable", self.samples.names[index])
        partners = [self.samples.digest(each) for each in self._draw_partners(key, self.pipeline.of(index))]
        return content if self.pipeline.fixed else hash_contents(content, self._draw_seed(key), *partners)

    def update_digest(self, key: int, found: bytes) -> bytes:
        """Updates the digest `found` of a sample whose file turned out to be unreadable since."""
        return self.digest(key) if self.replaced[int(self.indices[key % len(self)])] else found

    def row(self, key: int) -> int:
        """The number of a version of a sample, below len * versions; keys that are equal modulo that are one sample."""
        key = max(key, ~key)
        return key % (len(self) * self.versions) if self.versions else key

    def _draw_seed(self, key: int) -> int:
        return self.seed * 1_000_003 + self.row(key)
