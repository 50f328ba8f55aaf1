"""Groups near-duplicate images, so that a split can keep them together: `data.groups=near_duplicates`."""

import logging
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.samples import Samples, hash_contents
from candelabra.data.sampling.duplicates import NEAR, find_duplicates
from candelabra.data.sampling.image_scan import ComparedImage, reduce_image, scan_in_processes
from candelabra.storage.atomic import write_atomically
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.locks import hold_lock

log = logging.getLogger(__name__)
NEAR_DUPLICATES = "near_duplicates"  # the word for data.groups
_FORMAT = 1  # of cached groups; part of their name


class _ComparedImages(Dataset[ComparedImage]):
    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> ComparedImage:
        try:
            return reduce_image(self.samples.load(index))
        except UnreadableFile:
            return ComparedImage()


def number_near_duplicates(samples: Samples) -> NDArray[np.int64]:
    """Number the groups of images that `find_duplicates` finds equal or alike; each other image is its own group.

    Each image is decoded once, in one process per processor. The groups are kept in the folder of caches, by the
    content of the images, so that later runs, folds and evaluations divide alike without decoding; processes that ask
    at the same time decode once.

    Returns:
        (n,) the group of each sample, the index of its first member.
    """
    digests = [samples.digest(index) for index in range(len(samples))]
    made_by = [f"{name} {version(name)}" for name in ("pillow", "simplejpeg")]
    folder = find_cache_folder(NEAR_DUPLICATES)
    file = folder / f"{hash_contents(_FORMAT, NEAR, *made_by, *digests).hex()}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(file.with_suffix(".lock"), message="another process looks for near-duplicates; waiting for it"):
            groups = _read_groups(file, len(samples))
            if groups is None:
                groups = _find_groups(samples)
                kept = groups
                write_atomically(file, lambda opened: np.save(opened, kept))
    except OSError:  # a folder that cannot be written to costs the cache, not the run
        groups = _find_groups(samples)
    _, sizes = np.unique(groups, return_counts=True)
    several = sizes[sizes > 1]
    words = "data.groups=%s: %d of %d images are in %d groups of near-duplicates, the largest of %d"
    log.info(words, NEAR_DUPLICATES, several.sum(), len(samples), len(several), several.max(initial=0))
    return groups


def _read_groups(file: Path, count: int) -> NDArray[np.int64] | None:
    try:
        groups: NDArray[np.int64] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return groups if groups.shape == (count,) and groups.dtype == np.int64 else None


def _find_groups(samples: Samples) -> NDArray[np.int64]:
    count = len(samples)
    log.info("looks for near-duplicates among %d images", count)
    found = list(scan_in_processes(_ComparedImages(samples), count))
    pixels, thumbs = np.array([each.pixels for each in found], np.uint64), np.stack([each.thumb for each in found])
    duplicates = find_duplicates(pixels, thumbs, np.array([each.size for each in found], np.int32), NEAR)
    groups = np.arange(count)
    for members in (*duplicates.equal, *duplicates.alike):
        groups[members] = members[0]
    return groups
