"""Scan samples: one pass that decodes each image once and collects the facts for all statistics."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import DataIssue
from candelabra.data.loading.workers import count_processors
from candelabra.data.samples import Samples, hash_contents
from candelabra.data.sampling.thumbnails import make_scan_thumbnail, stack_pixels
from candelabra.data.targets import Labels
from candelabra.environment import choose_start_method
from candelabra.types import Sample

KEPT_ISSUES = 8  # bytes of a digest: among 100,000 images, the probability of a collision is 1 in 3 billion
_BATCH = 32  # samples per message of a worker


class SampleScan(NamedTuple):
    """Facts about one sample.

    Args:
        number: index of the sample.
        size: (H, W) in pixels.
        pixels: digest of the image.
        answers: digest of each target that is labelled.
        thumb: (THUMBNAIL_SIDE, THUMBNAIL_SIDE) uint8, the image in grey.
        summaries: of each target that is labelled; see `Target.summarize`.
        issues: of the image and its mask.
        problem: why it cannot be read; all other facts are then empty. Null if it can be read.
    """

    number: int
    size: tuple[int, int] = (0, 0)
    pixels: bytes = b""
    answers: Mapping[str, bytes] = {}
    thumb: NDArray[np.uint8] | None = None
    summaries: Mapping[str, Mapping[str, NDArray[Any]]] = {}
    issues: tuple[DataIssue, ...] = ()
    problem: str | None = None


class ScanDataset(Dataset[SampleScan]):
    """A map-style data set of the facts about samples.

    Args:
        samples: to scan.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.known = samples.labelled()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> SampleScan:
        try:
            sample = self.samples.load(index)
            odd = [each._replace(name=self.samples.names[index]) for each in self.samples.inspect(index)]
        except UnreadableFile as error:
            return SampleScan(index, problem=str(error))
        labels = self.samples.labels.only([name for name in self.samples.labels if self.known[name][index]])
        return _scan_sample(index, sample, labels)._replace(issues=tuple(odd))


def _scan_sample(index: int, sample: Sample, labels: Labels) -> SampleScan:
    pixels = stack_pixels(sample)
    height, width = pixels.shape[:2]
    values = {name: target.unwrap(sample[name]) for name, target in labels.items() if name in sample}
    # labels outside of the image are detected only now, as they need its size
    values = {name: value for name, value in values.items() if labels[name].is_labelled(value[None])[0]}
    return SampleScan(
        index,
        (height, width),
        hash_contents(pixels)[:KEPT_ISSUES],
        {name: hash_contents(value)[:KEPT_ISSUES] for name, value in values.items()},
        make_scan_thumbnail(pixels),
        {name: labels[name].summarize(value, (height, width)) for name, value in values.items()},
    )


def scan_samples(samples: Samples, workers: int | None) -> Iterator[SampleScan]:
    """Scan all samples in worker processes, in order; only a few batches are in memory.

    Args:
        samples: to scan.
        workers: number of processes; null for the number of processors.
    """
    workers = count_processors(1) if workers is None else workers
    loader: DataLoader[SampleScan] = DataLoader(
        ScanDataset(samples),
        _BATCH,
        num_workers=min(workers, len(samples) // _BATCH),
        collate_fn=list,
        multiprocessing_context=choose_start_method(min(workers, len(samples) // _BATCH)),
    )
    for facts in loader:
        yield from facts
