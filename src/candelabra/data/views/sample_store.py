"""The store of decoded samples: one file each, in memory or on disk, shared by all processes, bounded in bytes."""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.views.packed_sample import pack_sample, unpack_sample
from candelabra.errors import CandelabraError
from candelabra.storage.atomic import TEMPORARY_SUFFIX, write_atomically
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.eviction import evict_least_recently_used
from candelabra.storage.locks import SharedLock, hold_lock
from candelabra.types import Sample

log = logging.getLogger(__name__)
_GIGA = 10**9
SHARED_MEMORY = Path("/dev/shm")
_SIZE_FILE = "bytes"
_STORES_LOCK = "stores.lock"  # held to open, count or remove stores
_MAPS = 16_384  # files that a process maps rather than copies; Linux allows four times as many


def find_store_folder(place: Literal["ram", "disk"]) -> Path:
    """The folder of all stores: in memory that all processes share, or `images` in the cache folder.

    Raises:
        CandelabraError: this system has no such memory.
    """
    if place == "disk":
        return find_cache_folder("images")
    if not SHARED_MEMORY.is_dir():
        raise CandelabraError(
            f"data.cache=ram needs {SHARED_MEMORY}, which this system does not have; use data.cache=disk."
        )
    return SHARED_MEMORY / f"candelabra-{os.getuid()}"


class SampleStore:
    """A folder of samples, by name.

    Files are written atomically but not synced: one that a power failure has cut short is recognized by its length and
    made again. Every user of a store shares its lock. A store without users gives way to one that needs the room, the
    one not used for longest first. A temporary store is removed by its last user; if that process was killed, by the
    next store that is opened.

    Args:
        folder: of all stores, see `find_store_folder`.
        name: of this store.
        gigabytes: (10^9 bytes each) that all stores of the folder may have together.
        persistent: keep the store when nobody uses it.

    Raises:
        CandelabraError: the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, name: str, gigabytes: float, persistent: bool) -> None:
        self.root, self.folder, self.limit, self.persistent = folder, folder / name, gigabytes * _GIGA, persistent
        self.full = torch.zeros(1, dtype=torch.bool).share_memory_()  # all workers see what one of them found
        self.mapped: dict[str, dict[str, Tensor]] = {}
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with hold_lock(self.root / _STORES_LOCK):  # or another process could remove the store meanwhile
                self.folder.mkdir(exist_ok=True)
                self.lock = _open_lock(self.folder)
                if not persistent:
                    for other in self._find_others():
                        _remove_unused(other)
                if self.lock.take_alone():
                    _recount(self.folder)
                self.lock.share()
                self.lock.touch()
        except OSError as error:
            raise CandelabraError(f"data.cache cannot keep images in {folder} ({error}).") from error

    def get(self, name: str) -> dict[str, Tensor] | None:
        """Returns the plain tensors of a sample, or None where the store does not have it.

        Its image is memory that later calls return again: do not write to it. The other tensors are the caller's own.
        """
        sample = self.mapped.get(name)
        if sample is None:
            if self.lock.inherited:  # a forked worker must not hold the lock when the run is over
                self.lock.release()
            sample = self._read(name)
            if sample is None or len(self.mapped) >= _MAPS:
                return sample
            self.mapped[name] = sample
        return {key: each if key == "image" else each.clone() for key, each in sample.items()}

    def put(self, name: str, sample: Sample) -> None:
        """Writes a sample if there is room; logs one line when there is no more."""
        if self.full.item():
            return
        parts = pack_sample(sample)
        size = sum(len(part) for part in parts)
        path = self._path(name)
        try:
            with hold_lock(self.root / _STORES_LOCK):
                if not self._make_room(size):
                    return
                (self.folder / _SIZE_FILE).write_text(str(_read_size(self.folder) + size))
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, lambda file: file.writelines(parts))
        except OSError as error:
            self._stop_writing(str(error))

    def close(self) -> None:
        """Releases the store; its last user removes one that is not persistent."""
        self.mapped.clear()
        if not self.lock.inherited and self.lock.descriptor is not None:
            self.lock.release()
            if not self.persistent:
                with suppress(OSError), hold_lock(self.root / _STORES_LOCK, timeout=0):  # else the next store does it
                    _remove_unused(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _read(self, name: str) -> dict[str, Tensor] | None:
        try:
            file = os.open(self._path(name), os.O_RDONLY)
        except OSError:
            return None
        try:
            size = os.fstat(file).st_size
            if len(self.mapped) < _MAPS and size:
                # A map costs a page fault for each few pages, once; a copy costs less than that, but in each epoch.
                # torch.from_file, because Python's mmap keeps a file descriptor open.
                return unpack_sample(torch.from_file(str(self._path(name)), False, size, dtype=torch.uint8).numpy())
            content: NDArray[np.uint8] = np.empty(size, np.uint8)
            os.readv(file, [content.data])
        except (OSError, RuntimeError):  # torch raises the second for a file that cannot be mapped
            return None
        finally:
            os.close(file)
        return unpack_sample(content)

    def _make_room(self, size: int) -> bool:
        own = _read_size(self.folder)
        others = {folder: _read_size(folder) for folder in self._find_others()}
        used = own + sum(others.values())
        limit = min(self.limit, used + shutil.disk_usage(self.root).free * 0.9)
        left = evict_least_recently_used(others, limit - own - size, _find_last_use, _remove_unused)
        if own + left + size <= limit:
            return True
        bounded = limit == self.limit
        self._stop_writing(
            f"data.cache_gigabytes={self.limit / _GIGA:g} is full" if bounded else "the disk is almost full"
        )
        return False

    def _stop_writing(self, reason: str) -> None:
        if not self.full.item():
            log.warning(
                "the cache %s takes no more images (%s; it has %.2f GB of this data set): the others are read from "
                "their files",
                self.root,
                reason,
                _read_size(self.folder) / _GIGA,
            )
        self.full.fill_(True)

    def _find_others(self) -> list[Path]:
        return [path for path in self.root.iterdir() if path.is_dir() and path != self.folder]


def _open_lock(folder: Path) -> SharedLock:
    return SharedLock(folder.with_suffix(".lock"))


def _recount(folder: Path) -> None:
    """Removes what killed processes left half written, and notes the size of the rest."""
    size = 0
    for path in folder.glob("??/*"):
        if path.suffix == TEMPORARY_SUFFIX:
            path.unlink(missing_ok=True)
        else:
            size += path.stat().st_size
    (folder / _SIZE_FILE).write_text(str(size))


def _read_size(folder: Path) -> int:
    try:
        return int((folder / _SIZE_FILE).read_text())
    except (OSError, ValueError):
        return 0


def _find_last_use(folder: Path) -> float:
    try:
        return folder.with_suffix(".lock").stat().st_mtime
    except OSError:
        return 0.0


def _remove_unused(folder: Path) -> bool:
    """Removes a store that no living process uses; returns whether it did. The caller holds the lock of all stores."""
    try:
        lock = _open_lock(folder)
    except OSError:
        return False
    try:
        if not lock.take_alone():
            return False
        with suppress(OSError):
            shutil.rmtree(folder)
            folder.with_suffix(".lock").unlink(missing_ok=True)
        return True
    finally:
        lock.release()
