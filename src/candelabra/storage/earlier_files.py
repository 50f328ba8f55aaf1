"""Files that an earlier command left in a folder of results, which a later one did not replace."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)
_NAMED = 3


def record_times(folder: Path, patterns: Sequence[str]) -> dict[Path, int]:
    """When files were written that are there before a command writes its own.

    Args:
        folder: of the results.
        patterns: below it, of the files that the command writes, such as `pictures/*`.
    """
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return {path: path.stat().st_mtime_ns for path in sorted(found)}


def report_earlier_files(times: Mapping[Path, int], folder: Path) -> None:
    """Warns of files that are still as they were; see `record_times`."""
    left = [path for path, time in times.items() if path.is_file() and path.stat().st_mtime_ns == time]
    if left:
        named = ", ".join(str(path.relative_to(folder)) for path in left[:_NAMED])
        more = ", ..." if len(left) > _NAMED else ""
        words = "%s holds files of an earlier command that this one has not written (%d): %s%s; delete them if unwanted"
        log.warning(words, folder, len(left), named, more)
