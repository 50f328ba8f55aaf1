"""One pass over images in worker processes, and what of an image is compared to find duplicates."""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from candelabra.data.samples import hash_contents
from candelabra.environment import choose_start_method, count_usable_cores
from candelabra.types import Sample

Found = TypeVar("Found")
THUMBNAIL_SIDE = 16  # side in pixels of the grey thumbnails
_BATCH = 32  # images per message of a worker


class ComparedImage(NamedTuple):
    """What of an image is compared.

    Args:
        size: (H, W) in pixels; 0 where the image cannot be read.
        pixels: number of its content, see `number_contents`.
        thumb: (THUMBNAIL_SIDE, THUMBNAIL_SIDE) uint8, the image in grey.
    """

    size: tuple[int, int] = (0, 0)
    pixels: int = 0
    thumb: NDArray[np.uint8] = np.zeros((THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)


def reduce_image(sample: Sample) -> ComparedImage:
    """Reduce the image of a sample to what is compared."""
    image = sample["image"].as_subclass(torch.Tensor)
    if image.is_floating_point():
        image = (image * 255).round().to(torch.uint8)
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    return ComparedImage((pixels.shape[0], pixels.shape[1]), number_contents(pixels), make_scan_thumbnail(pixels))


def number_contents(content: object) -> int:
    """Return the first 8 bytes of a digest: among 100,000 images, the probability of a collision is 1 in 3 billion."""
    return int.from_bytes(hash_contents(content)[:8], "little")


def make_scan_thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce (H, W, 3) to grey (THUMBNAIL_SIDE, THUMBNAIL_SIDE) by averaging areas."""
    small = Image.fromarray(pixels).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"))


def scan_in_processes(dataset: Dataset[Found], count: int, workers: int | None = None) -> Iterator[Found]:
    """Read all items of a data set in worker processes, in order; only a few batches are in memory.

    Args:
        dataset: to read.
        count: its length.
        workers: number of processes; null for the number of processors.
    """
    workers = min(count_usable_cores() if workers is None else workers, count // _BATCH)
    loader: DataLoader[Found] = DataLoader(
        dataset,
        _BATCH,
        num_workers=workers,
        collate_fn=list,
        multiprocessing_context=choose_start_method(workers),
    )
    for batch in loader:
        yield from batch
