"""The cache of features: its folder, its size limit, and which store is evicted."""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.feature_cache.store import STORE_FILE, FeatureStore, find_store_lock, measure_folder
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.documents import load_json
from candelabra.storage.eviction import evict_least_recently_used
from candelabra.storage.locks import hold_lock

log = logging.getLogger(__name__)
_GIGA = 10**9


class FeatureCache:
    """A folder of feature stores, shared by all runs; the one not used for longest is evicted first.

    Args:
        folder: of the cache; null for `features` in the cache folder, see `find_cache_folder`.
        gigabytes: limit of all stores together (10^9 bytes each); 0 turns the cache off.

    Raises:
        CandelabraError: gigabytes is negative.
    """

    def __init__(self, folder: str | None = None, gigabytes: float = 10.0) -> None:
        if gigabytes < 0:
            raise CandelabraError(f"cache.gigabytes={gigabytes} must be 0 (no cache) or more.")
        self.folder = Path(folder).expanduser().absolute() if folder else find_cache_folder("features")
        self.gigabytes = gigabytes

    def is_usable(self) -> bool:
        """Whether the folder exists or can be created, and can be written to; logs one line if not."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("cache.folder=%s cannot be used (%s): features are not cached", self.folder, error.strerror)
            return False
        if not os.access(self.folder, os.W_OK):
            log.warning("cache.folder=%s cannot be written to: features are not cached", self.folder)
            return False
        return True

    def reserve(self, store: FeatureStore, digests: Sequence[bytes]) -> bool:
        """Makes room for samples in a store; logs one line and returns False where there is none.

        Args:
            store: read, and held by the caller.
            digests: of all samples of this run in that store, stored ones included.
        """
        new = len(store.find_missing(digests)) * store.layout.itemsize
        whole = len(set(digests)) * store.layout.itemsize
        limit = self.gigabytes * _GIGA
        if whole > limit:
            return self._refuse(store, whole, f"cache.gigabytes={self.gigabytes:g} is all there may be")
        with hold_lock(self.folder / "cache.lock"):
            if measure_folder(store.folder) + new > limit:
                store.drop_unused_shards(digests)
            whole = measure_folder(store.folder) + new
            if whole + self._evict(store, limit - whole) > limit:
                return self._refuse(store, whole, f"of cache.gigabytes={self.gigabytes:g} others are using the rest")
            free = shutil.disk_usage(self.folder).free
            if new > free:
                return self._refuse(store, new, f"{self.folder} has {free / _GIGA:.2f} GB free")
            store.reserve(whole)
        return True

    def _evict(self, store: FeatureStore, room: float) -> int:
        """Evicts other stores until they fit into `room` bytes; returns the bytes that they still have."""
        sizes = {path.parent: _measure(path.parent) for path in self.folder.glob(f"*/{STORE_FILE}")}
        sizes.pop(store.folder, None)
        return evict_least_recently_used(sizes, room, _find_last_use, _remove_unused)

    def _refuse(self, store: FeatureStore, needed: float, why: str) -> bool:
        log.warning(
            "the features (%d bytes an image) need %.2f GB, but %s: training runs the backbone in every epoch; "
            "set cache.gigabytes, cache.folder, or a smaller data.size",
            store.layout.itemsize,
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
        return max(measure_folder(folder), int(load_json((folder / STORE_FILE).read_text())["bytes"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return measure_folder(folder)
