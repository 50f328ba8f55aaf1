"""Writes a file so that a reader, or a run after a crash, finds the whole new file or the whole old one."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

TEMPORARY_SUFFIX = ".part"


@contextmanager
def replace_atomically(path: Path, sync: bool = False) -> Iterator[Path]:
    """Yields a new path in the folder of `path`; the file written there replaces `path` when the block ends.

    If the block raises, the file is removed and `path` stays as it was. The names differ, so several processes may
    write the same `path`: the last one wins. A process that is killed leaves its temporary file behind, see
    `remove_temporary_files`.

    Args:
        path: of the file, in an existing folder.
        sync: flush the content to the disk before the replacement. Without it a power failure can leave an empty file.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as file:  # Windows flushes only files that are open for writing
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the reason is in the exception that is raised
            temporary.unlink()
        raise


def write_atomically(path: Path, content: str | bytes | Callable[[BinaryIO], object], sync: bool = False) -> None:
    """Writes a whole file, or leaves `path` as it was.

    Args:
        path: of the file, in an existing folder.
        content: bytes; text, which is encoded as UTF-8 with undecodable bytes of file names as `backslashreplace` does;
            or a function that writes to an open binary file.
        sync: as in `replace_atomically`.
    """
    with replace_atomically(path, sync) as temporary, temporary.open("wb") as file:
        if isinstance(content, str):
            content = content.encode("utf-8", "backslashreplace")
        if isinstance(content, bytes):
            file.write(content)
        else:
            content(file)


def remove_temporary_files(folder: Path, pattern: str = "*") -> None:
    """Removes what killed processes left half written. Call it only while no other process writes there.

    Args:
        folder: where the files were written.
        pattern: of their folder and name below `folder`, without the suffix.
    """
    for path in folder.glob(f"{pattern}{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
