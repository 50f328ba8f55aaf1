"""Eviction from caches: the entry that was not used for longest goes first."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

log = logging.getLogger(__name__)


def evict_least_recently_used(
    sizes: Mapping[Path, int],
    limit: float,
    find_last_use: Callable[[Path], float],
    remove: Callable[[Path], bool],
) -> int:
    """Removes entries until the others fit.

    Args:
        sizes: bytes of each entry.
        limit: bytes that all entries may have together.
        find_last_use: returns the time of an entry's last use, in seconds.
        remove: removes an entry; returns False if a process uses it, and it stays.

    Returns:
        Bytes of the entries that are left, which are more than `limit` if those in use are.
    """
    total = sum(sizes.values())
    for path in sorted(sizes, key=find_last_use):
        if total <= limit:
            break
        if remove(path):
            total -= sizes[path]
            log.info("removed %s from the cache (%.2f GB): it was not used for longest", path, sizes[path] / 1e9)
    return total
