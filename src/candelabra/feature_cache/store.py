"""A space of the store: the features that one backbone makes of images under one preprocessing, in shards on disk."""

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.storage.atomic import remove_temporary_files, write_atomically
from candelabra.storage.locks import hold_lock

log = logging.getLogger(__name__)
STORE_FILE = "space.json"
DIGEST_BYTES = "digest"


class FeatureStore:
    """A folder of shards, each an `.npy` file of rows: one row a sample, one column a tensor, and its digest.

    A shard is written under a passing name, synced, and then renamed to the hash of its rows; it is never changed.
    So what has a shard's name is whole, or its name tells that it is not.

    Args:
        folder: of this space alone; made where it is missing.
        layout: the columns of a row; see `layout_rows`.
        key: what the space stands for, in words; kept beside the shards for people to read.

    Attributes:
        shards: memory-mapped rows, by the name of the file.
    """

    def __init__(self, folder: Path, layout: "np.dtype[np.void]", key: Mapping[str, str]) -> None:
        self.folder, self.layout, self.key = folder, layout, dict(key)
        self.shards: dict[str, NDArray[np.void]] = {}
        self.places: dict[bytes, tuple[str, int]] = {}

    def read(self) -> None:
        """Maps the shards that were not there yet; takes away, with a warning, what is torn or of another layout."""
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self.shards:
                rows = self._whole(path)
                if rows is None and path.exists():  # not just removed by another process that needs the room
                    log.warning("%s is torn; its features are computed again", path)
                    path.unlink(missing_ok=True)
                elif rows is not None:
                    self.shards[path.name] = rows
                    self.places |= {digest.tobytes(): (path.name, i) for i, digest in enumerate(rows[DIGEST_BYTES])}
        if self.shards:
            with suppress(FileNotFoundError):
                os.utime(self.folder / STORE_FILE)  # last used now

    def missing(self, digests: Sequence[bytes]) -> list[int]:
        """Positions of the digests, each but once, that no shard has."""
        first = {digest: position for position, digest in reversed(list(enumerate(digests)))}
        return sorted(position for digest, position in first.items() if digest not in self.places)

    def add(self, rows: NDArray[np.void]) -> None:
        """Writes a shard; a kill at any moment leaves the shard, or nothing."""
        write_atomically(self.folder / f"{_hash(rows)}.npy", lambda file: np.save(file, rows), sync=True)

    def take(self, column: str, places: Sequence[tuple[str, int]]) -> NDArray[Any]:
        """One column of the rows at these places, as a new array."""
        field = self.layout[column]
        taken: NDArray[Any] = np.empty((len(places), *field.shape), field.base)
        by_shard: dict[str, list[tuple[int, int]]] = {}
        for position, (shard, row) in enumerate(places):
            by_shard.setdefault(shard, []).append((position, row))
        for shard, pairs in by_shard.items():
            positions, rows = zip(*pairs, strict=True)
            taken[list(positions)] = self.shards[shard][column][list(rows)]
        return taken

    def keep_only(self, digests: Sequence[bytes]) -> None:
        """Removes the shards that hold none of these."""
        used = {self.places[digest][0] for digest in digests if digest in self.places}
        for name in set(self.shards) - used:
            (self.folder / name).unlink(missing_ok=True)
            del self.shards[name]
        self.places = {digest: place for digest, place in self.places.items() if place[0] in used}

    def promise(self, size: int) -> None:
        """Notes how many bytes the space will have, for others who count; makes the folder where it is missing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(self.folder)
        write_atomically(self.folder / STORE_FILE, json.dumps({**self.key, "bytes": size}, indent=2) + "\n")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No second process fills this space in the meantime; one that comes later waits, and says so."""
        message = "another process computes these features already; waiting for it"
        with hold_lock(find_store_lock(self.folder), message=message):
            yield

    def _whole(self, path: Path) -> NDArray[np.void] | None:
        try:
            rows = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError, SyntaxError):
            return None
        whole = rows.ndim == 1 and rows.dtype == self.layout and f"{_hash(rows)}.npy" == path.name
        return rows if whole else None


def layout_rows(columns: Mapping[str, tuple[str, tuple[int, ...]]]) -> "np.dtype[np.void]":
    """The type of a row: numpy's type and the shape of each column, then the digest."""
    return np.dtype([*((name, kind, shape) for name, (kind, shape) in columns.items()), (DIGEST_BYTES, "V20")])


def find_store_lock(folder: Path) -> Path:
    """Returns the lock file of a store, which lies beside it and outlives it."""
    return folder.with_suffix(".lock")


def measure_folder(folder: Path) -> int:
    """Bytes of the shards of a space."""
    return sum(path.stat().st_size for path in folder.glob("*.npy"))


def _hash(rows: NDArray[np.void]) -> str:
    return hashlib.blake2b(rows.view(np.uint8).data, digest_size=20).hexdigest()
