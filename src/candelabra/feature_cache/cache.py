"""The store of features: where it lies, how large it may grow, and what gives way."""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.feature_cache.store import STORE_FILE, FeatureStore, find_store_lock, measure_folder
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.eviction import evict_least_recently_used
from candelabra.storage.locks import hold_lock

log = logging.getLogger(__name__)
_GIGA = 10**9


class FeatureCache:
    """A folder of spaces, shared by all runs; the space that was not used for longest gives way to a new one.

    Args:
        folder: where; null for `features` in $CANDELABRA_CACHE, or in ~/.cache/candelabra.
        gigabytes: at most so much (10^9 bytes each) in all; 0 keeps nothing.

    Raises:
        CandelabraError: gigabytes is negative.
    """

    def __init__(self, folder: str | None = None, gigabytes: float = 10.0) -> None:
        if gigabytes < 0:
            raise CandelabraError(f"cache.gigabytes={gigabytes} must be 0 (no cache) or more.")
        self.folder = Path(folder).expanduser().absolute() if folder else find_cache_folder("features")
        self.gigabytes = gigabytes

    def usable(self) -> bool:
        """Whether the folder is there, or can be made, and can be written to; says in one line where it cannot."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("cache.folder=%s cannot be used (%s): no features are kept", self.folder, error.strerror)
            return False
        if not os.access(self.folder, os.W_OK):
            log.warning("cache.folder=%s cannot be written to: no features are kept", self.folder)
            return False
        return True

    def allot(self, space: FeatureStore, digests: Sequence[bytes]) -> bool:
        """Makes room for these samples in a space; says in one line where there is none.

        Args:
            space: read, and locked by the caller.
            digests: of all samples of this run in that space, those that are there included.
        """
        new = len(space.missing(digests)) * space.layout.itemsize
        whole = len(set(digests)) * space.layout.itemsize
        limit = self.gigabytes * _GIGA
        if whole > limit:
            return self._refuse(space, whole, f"cache.gigabytes={self.gigabytes:g} is all there may be")
        with hold_lock(self.folder / "cache.lock"):
            if measure_folder(space.folder) + new > limit:
                space.keep_only(digests)
            whole = measure_folder(space.folder) + new
            if whole + self._evict(space, limit - whole) > limit:
                return self._refuse(space, whole, f"of cache.gigabytes={self.gigabytes:g} others are using the rest")
            free = shutil.disk_usage(self.folder).free
            if new > free:
                return self._refuse(space, new, f"{self.folder} has {free / _GIGA:.2f} GB free")
            space.promise(whole)
        return True

    def _evict(self, space: FeatureStore, room: float) -> int:
        """Removes what was used longest ago until the others fit into `room`; returns the bytes they still have."""
        sizes = {path.parent: _measure(path.parent) for path in self.folder.glob(f"*/{STORE_FILE}")}
        sizes.pop(space.folder, None)
        return evict_least_recently_used(sizes, room, _find_last_use, _remove_unused)

    def _refuse(self, space: FeatureStore, needed: float, why: str) -> bool:
        log.warning(
            "the features (%d bytes an image) need %.2f GB, but %s: training runs the backbone in every epoch; "
            "set cache.gigabytes, cache.folder, or a smaller data.size",
            space.layout.itemsize,
            needed / _GIGA,
            why,
        )
        return False


def _find_last_use(folder: Path) -> float:
    return (folder / STORE_FILE).stat().st_mtime


def _remove_unused(folder: Path) -> bool:
    """Removes a store unless a process is filling it; returns whether it did."""
    try:
        with hold_lock(find_store_lock(folder), timeout=0):
            shutil.rmtree(folder)
    except TimeoutError:
        return False
    return True


def _measure(folder: Path) -> int:
    """Returns the bytes of a store, or those that the process that fills it has reserved."""
    try:
        return max(measure_folder(folder), int(json.loads((folder / STORE_FILE).read_text())["bytes"]))
    except (OSError, ValueError, KeyError):
        return measure_folder(folder)
