"""Files on a disk or behind an address (https, s3, gs, ...), read in parts; fsspec's, with words for what fails."""

import functools
import os
import re
import sys
import time
from collections.abc import Sequence
from typing import Any

from candelabra.data.decoding.images import UnreadableFile
from candelabra.errors import CandelabraError

RETRY_PAUSES = (0.5, 2.0)  # seconds before a distant file is asked for again
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def is_remote(address: str) -> bool:
    """Whether an address leads over a network."""
    return "://" in address and not address.startswith(("file://", "local://", "memory://"))


def join_inside(root: str, name: str) -> str:
    """The address of a name below a root."""
    return f"{root.rstrip('/')}/{name}" if root else name


def expand_addresses(pattern: str) -> list[str]:
    """What a pattern with a range of numbers stands for.

    >>> expand_addresses("train-{008..010}.tar")
    ['train-008.tar', 'train-009.tar', 'train-010.tar']
    """
    found = _RANGE.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [
        each
        for number in numbers
        for each in expand_addresses(pattern[: found.start()] + number + pattern[found.end() :])
    ]


def find_remote(root: str, patterns: Sequence[str]) -> list[str]:
    """The addresses below a root that patterns stand for: names, ranges ({000..009}), or globs (*).

    Raises:
        CandelabraError: the root cannot be listed.
    """
    found: list[str] = []
    for pattern in (each for given in patterns for each in expand_addresses(given)):
        address = join_inside(root, pattern)
        if not set("*?[") & set(pattern):
            found.append(address)
            continue
        files = open_filesystem(address)
        try:
            found += sorted(files.unstrip_protocol(path) if "://" in root else path for path in files.glob(address))
        except translate_failures() as error:
            raise CandelabraError(f"{address} cannot be listed ({error}); name files with data.shards.") from error
    return found


def open_filesystem(address: str) -> Any:
    """Fsspec's file system of an address; one per process, because its connections do not survive a fork.

    Raises:
        CandelabraError: the protocol is not known, or its package is not installed.
    """
    return _filesystem(address.split("://")[0] if "://" in address else "file", os.getpid())


@functools.cache
def _filesystem(protocol: str, process: int) -> Any:
    import fsspec

    try:
        return fsspec.filesystem(protocol)
    except (ImportError, ValueError) as error:
        raise CandelabraError(f"{protocol}://... cannot be read: {error}") from error


def read_bytes_at(address: str, start: int, end: int) -> bytes:
    """The bytes from `start` up to `end`; a distant file is asked for again before it counts as unreadable.

    Raises:
        UnreadableFile: they cannot be got, or are fewer.
    """
    pauses = RETRY_PAUSES if is_remote(address) else ()
    for pause in (*pauses, None):
        try:
            raw: bytes = open_filesystem(address).cat_file(address, start=start, end=end)
            break
        except translate_failures() as error:
            if pause is None or isinstance(error, FileNotFoundError):
                raise UnreadableFile(f"{address} cannot be read ({type(error).__name__}: {error}).") from error
            time.sleep(pause)
    if len(raw) != end - start:
        raise UnreadableFile(f"{address} has {len(raw)} bytes at {start}, where {end - start} should be.")
    return raw


def read_text_at(address: str) -> str | None:
    """A small text file; null where there is none.

    Raises:
        CandelabraError: it is there and cannot be read.
    """
    try:
        return str(open_filesystem(address).cat_file(address).decode(errors="replace"))
    except FileNotFoundError:
        return None
    except translate_failures() as error:
        raise CandelabraError(f"{address} cannot be read ({error}).") from error


def translate_failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What file systems raise, that of http what is no OSError; and more."""
    aiohttp = sys.modules.get("aiohttp")
    return (OSError, EOFError, *more, *([aiohttp.ClientError] if aiohttp else []))
