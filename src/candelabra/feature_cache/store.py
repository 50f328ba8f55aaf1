"""Features of one backbone under one preprocessing, in shards on disk."""

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.storage.atomic import remove_temporary_files, write_atomically
from candelabra.storage.locks import hold_lock
from candelabra.storage.strict_json import format_json

log = logging.getLogger(__name__)
STORE_FILE = "store.json"
DIGEST_BYTES = "digest"


class FeatureStore:
    """A folder of shards, each an `.npy` file of rows: one row a sample, one column a tensor, and its digest.

    A shard is written atomically, named after the hash of its rows, and never changed: a damaged one does not match its
    name.

    Args:
        folder: of this store alone; created where it is missing.
        layout: the columns of a row; see `arrange_rows`. Columns of length 0 are lists: as long as a shard needs.
        key: what the features depend on, see `compute_cache_key`; written beside the shards for people to read.

    Attributes:
        shards: memory-mapped rows, by the name of the file.
        places: file name and row of each sample, by its digest.
    """

    def __init__(self, folder: Path, layout: "np.dtype[np.void]", key: Mapping[str, str]) -> None:
        self.folder, self.layout, self.key = folder, layout, dict(key)
        self.shards: dict[str, NDArray[np.void]] = {}
        self.places: dict[bytes, tuple[str, int]] = {}

    def read(self) -> None:
        """Maps new shards; removes, with a warning, damaged ones and those of another layout."""
        for path in sorted(self.folder.glob("*.npy")):
            if path.name not in self.shards:
                rows = self._map_shard(path)
                if rows is None and path.exists():  # else another process has just evicted it
                    log.warning("%s is damaged; its features are computed again", path)
                    path.unlink(missing_ok=True)
                elif rows is not None:
                    self.shards[path.name] = rows
                    self.places |= {digest.tobytes(): (path.name, i) for i, digest in enumerate(rows[DIGEST_BYTES])}
        if self.shards:
            with suppress(FileNotFoundError):
                os.utime(self.folder / STORE_FILE)  # marks it as used now

    def find_missing(self, digests: Sequence[bytes]) -> list[int]:
        """Returns the positions of digests that no shard has, the first position of each."""
        first = {digest: position for position, digest in reversed(list(enumerate(digests)))}
        return sorted(position for digest, position in first.items() if digest not in self.places)

    def add(self, rows: NDArray[np.void]) -> None:
        """Writes a shard. A process killed meanwhile leaves no shard."""
        write_atomically(self.folder / f"{_hash(rows)}.npy", lambda file: np.save(file, rows), sync=True)

    def take(self, column: str, places: Sequence[tuple[str, int]]) -> NDArray[Any]:
        """Returns one column of the rows at these places, as a new array; shorter lists end in zeros."""
        by_shard: dict[str, list[tuple[int, int]]] = {}
        for position, (shard, row) in enumerate(places):
            by_shard.setdefault(shard, []).append((position, row))
        field = self.layout[column]
        shapes = [self.shards[shard].dtype[column].shape for shard in by_shard] or [field.shape]
        taken: NDArray[Any] = np.zeros((len(places), *max(shapes)), field.base)
        for shard, pairs in by_shard.items():
            positions, rows = zip(*pairs, strict=True)
            values = self.shards[shard][column][list(rows)]
            if _is_list(field):
                taken[list(positions), : values.shape[1]] = values
            else:
                taken[list(positions)] = values
        return taken

    def drop_unused_shards(self, digests: Sequence[bytes]) -> None:
        """Removes shards without any of these samples."""
        used = {self.places[digest][0] for digest in digests if digest in self.places}
        for name in set(self.shards) - used:
            (self.folder / name).unlink(missing_ok=True)
            del self.shards[name]
        self.places = {digest: place for digest, place in self.places.items() if place[0] in used}

    def reserve(self, size: int) -> None:
        """Notes how many bytes the store will have, for processes that need room; creates its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(self.folder)
        write_atomically(self.folder / STORE_FILE, format_json({**self.key, "bytes": size}))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Lets one process at a time fill the store; another one waits and logs that."""
        message = "another process computes these features already; waiting for it"
        with hold_lock(find_store_lock(self.folder), message=message):
            yield

    def _map_shard(self, path: Path) -> NDArray[np.void] | None:
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError, TokenError, ArithmeticError, MemoryError):
            return None
        whole = (
            isinstance(rows, np.ndarray)
            and rows.ndim == 1
            and shorten_lists(rows.dtype, self.layout) == self.layout
            and f"{_hash(rows)}.npy" == path.name
        )
        return rows if whole else None


def arrange_rows(columns: Mapping[str, tuple[str, tuple[int, ...]]]) -> "np.dtype[np.void]":
    """Returns the dtype of a row: the dtype and shape of each column, then the digest."""
    return np.dtype([*((name, kind, shape) for name, (kind, shape) in columns.items()), (DIGEST_BYTES, "V20")])


def shorten_lists(found: "np.dtype[np.void]", layout: "np.dtype[np.void]") -> "np.dtype[np.void]":
    """Returns the dtype of a shard with lists of length 0, as a layout has them, whatever their length in it."""
    if found.names != layout.names or found.names is None:
        return found
    fields = [(name, found[name].base, found[name].shape, _is_list(layout[name])) for name in found.names]
    return np.dtype([(name, base, (0, *shape[1:]) if listed else shape) for name, base, shape, listed in fields])


def join_rows(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Returns rows of one layout as one array, whose lists are as long as the longest; shorter ones end in zeros."""
    first = parts[0].dtype
    fields = [(name, first[name].base, max(part.dtype[name].shape for part in parts)) for name in first.names or ()]
    joined: NDArray[np.void] = np.zeros(sum(map(len, parts)), np.dtype(fields))
    start = 0
    for part in parts:
        for name, _, _ in fields:
            values = part[name]
            places = (slice(start, start + len(part)), *(slice(side) for side in values.shape[1:2]))
            joined[name][places] = values
        start += len(part)
    return joined


def _is_list(field: "np.dtype[Any]") -> bool:
    """Whether a column holds lists, which differ in length from shard to shard: they have length 0 in the layout."""
    return field.shape[:1] == (0,)


def find_store_lock(folder: Path) -> Path:
    """Returns the lock file of a store, which lies beside it and outlives it."""
    return folder.with_suffix(".lock")


def measure_folder(folder: Path) -> int:
    """Returns the bytes of a store's shards."""
    return sum(path.stat().st_size for path in folder.glob("*.npy"))


def _hash(rows: NDArray[np.void]) -> str:
    return hashlib.blake2b(rows.view(np.uint8).data, digest_size=20).hexdigest()
