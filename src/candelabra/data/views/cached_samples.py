"""Samples that are decoded once and cached, in memory or on disk, as small as their use allows."""

import os
import weakref
from collections.abc import Mapping
from importlib.metadata import version
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents, make_sample
from candelabra.data.targets import Labels
from candelabra.data.transforms.crop import crop_and_resize
from candelabra.data.views.sample_store import SampleStore, find_store_folder
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError
from candelabra.types import Sample

_FORMAT = 2  # of cached files; part of the store's name, so files of another format are never read
_LIBRARIES = ("torch", "pillow", "simplejpeg")
CacheMode = Literal["none", "ram", "disk"]


def cache_samples(samples: Samples, cache: CacheMode, gigabytes: float) -> Samples:
    """Wraps samples in a cache.

    Args:
        samples: to be cached.
        cache: none, ram (as long as a process uses them) or disk (until others need the room).
        gigabytes: (10^9 bytes each) for all data sets that are cached there.

    Raises:
        CandelabraError: `cache` is unknown or not available, or its folder cannot be written to.
    """
    if cache not in ("none", "ram", "disk"):
        raise CandelabraError(f"data.cache={cache} is not known; allowed are none, ram and disk.")
    if cache == "none":
        return samples
    if os.name != "posix":
        raise CandelabraError(f"data.cache={cache} needs locks that this system does not have; use data.cache=none.")
    if gigabytes <= 0:
        raise CandelabraError(f"data.cache_gigabytes={gigabytes} must be above 0; data.cache=none caches nothing.")
    made_by = [f"{name} {version(name)}" for name in _LIBRARIES]
    ends = [samples.names[index] for index in np.linspace(0, len(samples) - 1, min(len(samples), 1000)).astype(int)]
    name = hash_contents(_FORMAT, *made_by, type(samples).__name__, len(samples), *ends).hex()
    return CachedSamples(samples, SampleStore(find_store_folder(cache), name, gigabytes, persistent=cache == "disk"))


class CachedSamples(SampleView):
    """Samples in a store, named by the hash of their content: a file that changes is read again.

    An image is stored at the least size that its use allows, with its aspect ratio, and is returned at that size
    whether it was stored or not. The content of each file is hashed once a run.

    Args:
        samples: to be cached.
        store: that has them.
    """

    def __init__(self, samples: Samples, store: SampleStore) -> None:
        super().__init__(samples, samples.labels)
        self.store = store
        # Digests that forked workers share; all zeros where none of them has hashed the file yet.
        self.digests = torch.zeros(len(samples), 20, dtype=torch.uint8).share_memory_()
        weakref.finalize(self, store.close)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return self.samples.labelled()

    def shown(self) -> NDArray[np.bool_]:
        return self.samples.shown()

    def digest(self, index: int) -> bytes:
        return hash_contents("shrunk", self._content(index))

    def _content(self, index: int) -> bytes:
        found: bytes = self.digests[index].numpy().tobytes()
        if not any(found):
            found = self.samples.digest(index)
            self.digests[index] = torch.frombuffer(bytearray(found), dtype=torch.uint8)
        return found

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        if least is None:
            return self.samples.load(index)
        name = f"{self._content(index).hex()}-{least[0]}x{least[1]}"
        stored = self.store.get(name)
        if stored is not None:
            return make_sample(stored.pop("image"), self.labels, stored)
        sample = shrink_sample(self.samples.load(index, least), self.labels, least)
        self.store.put(name, sample)
        return sample


def shrink_sample(sample: Sample, labels: Labels, least: tuple[int, int]) -> Sample:
    """Shrinks a sample as far as both sides stay at `least` (H, W) or above, with its aspect ratio."""
    height, width = sample["image"].shape[-2:]
    scale = max(least[0] / height, least[1] / width)
    if scale >= 1:
        return sample
    size = (max(least[0], round(height * scale)), max(least[1], round(width * scale)))
    return crop_and_resize(sample, labels, (0, 0, height, width), size)
