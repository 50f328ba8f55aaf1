"""Archives of anybody: refused before they are unpacked where they would fill the memory."""

import zipfile
from pathlib import Path

_GROWTH = 4  # times the file's own size; weights hardly compress, and a bomb grows a thousand times
_ALLOWANCE = 1 << 24  # bytes


def check_archive(path: Path) -> None:
    """Checks what a zip archive (a checkpoint of torch, an .npz) would be unpacked; other files pass.

    Raises:
        ValueError: it is damaged, or its members together are far larger than itself.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, OverflowError) as error:
        raise ValueError(f"it is a damaged archive ({error})") from error
    if size > _GROWTH * path.stat().st_size + _ALLOWANCE:
        raise ValueError(f"its {path.stat().st_size} bytes would be unpacked to {size}")
