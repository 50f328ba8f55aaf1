"""Files that several processes share: atomic writes, locks, eviction, and the cache folder. Imports no torch."""

from candelabra.storage.atomic import remove_temporary_files, replace_atomically, write_atomically
from candelabra.storage.cache_folder import find_cache_folder
from candelabra.storage.eviction import evict_least_recently_used
from candelabra.storage.locks import SharedLock, hold_lock

__all__ = [
    "SharedLock",
    "evict_least_recently_used",
    "find_cache_folder",
    "hold_lock",
    "remove_temporary_files",
    "replace_atomically",
    "write_atomically",
]
