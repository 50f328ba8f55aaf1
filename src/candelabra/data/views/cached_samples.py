"""Samples that are read once: small enough for what they go through, they are kept in memory or on disk."""

import os
import weakref
from collections.abc import Mapping
from importlib.metadata import version
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.samples import Samples, hash_contents
from candelabra.data.transforms.crop import crop_and_resize
from candelabra.data.views.sample_store import SampleStore, find_store_folder
from candelabra.data.views.wrapper import SampleView
from candelabra.errors import CandelabraError
from candelabra.types import Sample

_FORMAT = 1  # a new number makes what is kept useless
_LIBRARIES = ("torch", "pillow", "simplejpeg")
CacheMode = Literal["none", "ram", "disk"]


def cache_samples(samples: Samples, cache: CacheMode, gigabytes: float) -> Samples:
    """The samples, kept where `cache` says.

    Args:
        samples: whose images are to be kept.
        cache: none, ram (as long as a process uses them) or disk (until others need the room).
        gigabytes: (10^9 bytes each) for all data sets that are kept there.

    Raises:
        CandelabraError: there is no such place, or it cannot be written to.
    """
    if cache not in ("none", "ram", "disk"):
        raise CandelabraError(f"data.cache={cache} is not known; allowed are none, ram and disk.")
    if cache == "none":
        return samples
    if os.name != "posix":
        raise CandelabraError(f"data.cache={cache} needs locks that this system does not have; use data.cache=none.")
    if gigabytes <= 0:
        raise CandelabraError(f"data.cache_gigabytes={gigabytes} must be above 0; data.cache=none keeps nothing.")
    made_by = [f"{name} {version(name)}" for name in _LIBRARIES]
    ends = [samples.names[index] for index in np.linspace(0, len(samples) - 1, min(len(samples), 1000)).astype(int)]
    name = hash_contents(_FORMAT, *made_by, type(samples).__name__, len(samples), *ends).hex()
    return CachedSamples(samples, SampleStore(find_store_folder(cache), name, gigabytes, lasting=cache == "disk"))


class CachedSamples(SampleView):
    """Samples on a shelf, by their content: a file that changes is read again.

    An image is kept at the least size that its use allows, its aspect as it was, and comes at that size whether it was
    on the shelf or not. The content of each file is looked at once a run.

    Args:
        samples: whose.
        shelf: where.
    """

    def __init__(self, samples: Samples, shelf: SampleStore) -> None:
        super().__init__(samples, samples.labels)
        self.shelf = shelf
        # Workers, which are forked, tell each other what they have looked at. All zeros: nobody has yet.
        self.seen = torch.zeros(len(samples), 20, dtype=torch.uint8).share_memory_()
        weakref.finalize(self, shelf.close)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return self.samples.labelled()

    def shown(self) -> NDArray[np.bool_]:
        return self.samples.shown()

    def digest(self, index: int) -> bytes:
        return hash_contents("shrunk", self._content(index))

    def _content(self, index: int) -> bytes:
        found: bytes = self.seen[index].numpy().tobytes()
        if not any(found):
            found = self.samples.digest(index)
            self.seen[index] = torch.frombuffer(bytearray(found), dtype=torch.uint8)
        return found

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        if least is None:
            return self.samples.load(index)
        name = f"{self._content(index).hex()}-{least[0]}x{least[1]}"
        kept = self.shelf.get(name)
        if kept is not None:
            return kept
        made = shrink_sample(self.samples.load(index, least), least)
        self.shelf.put(name, made)
        return made


def shrink_sample(sample: Sample, least: tuple[int, int]) -> Sample:
    """A sample as small as it may be, neither side below `least` (H, W), its aspect as it was."""
    height, width = sample["image"].shape[-2:]
    scale = max(least[0] / height, least[1] / width)
    if scale >= 1:
        return sample
    size = (max(least[0], round(height * scale)), max(least[1], round(width * scale)))
    return crop_and_resize(sample, (0, 0, height, width), size)
