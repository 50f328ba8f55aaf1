"""Extracts vectors: one pass of the backbone over the images."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from candelabra.data.decoding.paths import escape_path
from candelabra.data.loading.loader import survive_sigterm
from candelabra.data.loading.workers import compute_workers, count_processors
from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.embeddings.encoder import Encoder, Vectors
from candelabra.embeddings.parts import VectorPart, VectorParts
from candelabra.embeddings.sources import EmbeddingSource
from candelabra.environment import choose_start_method
from candelabra.errors import UnreadableFile

log = logging.getLogger(__name__)
_SECONDS = 20.0  # between two parts: the work that is lost if the process is killed
_BYTES = 64 * 2**20  # of vectors in memory before a part is written
_PROBES = 8  # images that are timed
_UNREAD = bytes(20)  # digest of unreadable images


class ImageItem(NamedTuple):
    """One image: pixels (3, H, W), empty if it is unreadable; the digest of its file; and the problem, if any."""

    image: Tensor
    digest: bytes
    problem: str


class ImageBatch(NamedTuple):
    """A batch of images; the readable ones are one tensor, which a worker passes on much faster than many."""

    images: Tensor
    digests: list[bytes]
    problems: list[str]


class ImageItems(Dataset[ImageItem]):
    """The images of a source, ready for the backbone.

    Args:
        source: of images.
        pipeline: of transforms.
    """

    def __init__(self, source: EmbeddingSource, pipeline: TransformPipeline) -> None:
        self.source, self.pipeline = source, pipeline

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> ImageItem:
        found = hash_items(self.source, index)
        try:
            image = self.pipeline(self.source.load(index, self.pipeline.least or (1, 1)))["image"]
        except UnreadableFile as error:
            return ImageItem(torch.empty(0), found, escape_path(str(error)))
        return ImageItem(image.as_subclass(Tensor), found, "")


def hash_items(source: EmbeddingSource, index: int) -> bytes:
    """Hashes the content of an image; the same hash for all unreadable ones."""
    with suppress(UnreadableFile):
        return source.digest(index)
    return _UNREAD


def extract_vectors(
    parts: VectorParts, items: ImageItems, encoder: Encoder, batch_size: int, workers: int, silent: bool = False
) -> None:
    """Embeds images that no part has, and adds parts. Parts that are written stay if it is interrupted.

    Args:
        parts: that are added to.
        items: the images.
        encoder: of images.
        batch_size: images in a batch; the same in every call, so that interrupted calls give the same bits.
        workers: processes that decode.
        silent: without a progress bar.
    """
    gaps = parts.find_missing(len(items), lambda here: [hash_items(items.source, index) for index in here])
    left = sum(map(len, gaps))
    if 0 < left < len(items):
        log.info("%d of %d images are embedded already", len(items) - left, len(items))
    with tqdm(total=len(items), initial=len(items) - left, desc="embedding", unit="image", disable=silent) as bar:
        for gap in gaps:
            pending = PendingItems(parts, gap.start)
            try:
                for batch in _loader(items, gap, batch_size, workers):
                    pending.add(batch, _vectors(encoder, batch.images))
                    bar.update(len(batch.digests))
            finally:
                pending.write()


class PendingItems:
    """Vectors that are not written yet.

    Args:
        parts: that they are added to.
        start: position of the first image.
    """

    def __init__(self, parts: VectorParts, start: int) -> None:
        self.parts, self.start = parts, start
        self.digests: list[bytes] = []
        self.problems: list[str] = []
        self.vectors: list[Vectors] = []
        self.written = time.monotonic()

    def add(self, batch: ImageBatch, vectors: Vectors) -> None:
        """Adds a batch; writes a part when it is due."""
        self.digests += batch.digests
        self.problems += batch.problems
        self.vectors.append(vectors)
        late = time.monotonic() - self.written >= _SECONDS
        if late or sum(block.nbytes for block in self.vectors) >= _BYTES:
            self.write()

    def write(self) -> None:
        """Writes the pending vectors as a part."""
        if not self.digests:
            return
        digests = np.array(self.digests, dtype="V20")
        part = VectorPart(self.start, digests, np.array(self.problems), np.concatenate(self.vectors))
        self.parts.add(part)
        self.start, self.written = part.stop, time.monotonic()
        self.digests, self.problems, self.vectors = [], [], []


def choose_embedding_workers(items: ImageItems, batch_size: int, device: torch.device) -> int:
    """Chooses the number of decoding processes by timing a few images; see `choose_workers`."""
    spent = []
    for index in np.linspace(0, len(items) - 1, min(_PROBES, len(items))).astype(int).tolist():
        begun = time.perf_counter()
        items[index]
        spent.append(time.perf_counter() - begun)
    return compute_workers(float(np.median(spent)), batch_size, device.type, count_processors(1))


def _batch(items: Sequence[ImageItem]) -> ImageBatch:
    good = [item.image for item in items if not item.problem]
    images = torch.stack(good) if good else torch.empty(0)
    return ImageBatch(images, [item.digest for item in items], [item.problem for item in items])


def _loader(items: ImageItems, gap: range, batch_size: int, workers: int) -> Iterator[ImageBatch]:
    batches = [list(gap[start : start + batch_size]) for start in range(0, len(gap), batch_size)]
    return iter(
        DataLoader(
            items,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=_batch,
            worker_init_fn=survive_sigterm,
            generator=torch.Generator(),
            multiprocessing_context=choose_start_method(workers),
        )
    )


def _vectors(encoder: Encoder, images: Tensor) -> Vectors:
    return encoder(images) if len(images) else np.empty((0, encoder.dimensions), np.float32)
