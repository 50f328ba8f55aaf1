"""The images that files, folders and globs stand for."""

import glob
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.paths import escape_path
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
_VIDEOS = {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"}


def list_sources(source: str | Sequence[str], key: str = "source") -> list[Path]:
    """The images that files, folders and globs stand for, in order, each once; see `find_sources`."""
    return list(dict.fromkeys(path for found in find_sources(source, key).values() for path in found))


def find_sources(source: str | Sequence[str], key: str = "source") -> dict[str, list[Path]]:
    """The images that each file, folder or glob stands for; files of other kinds are left out, with a line.

    Args:
        source: one of them, or several.
        key: the option that names them, for errors.

    Raises:
        CandelabraError: one of them stands for nothing.
    """
    found: dict[str, list[Path]] = {}
    for one in [source] if isinstance(source, str) else source:
        path = Path(one).expanduser()
        if "://" in str(one):
            raise CandelabraError(f"{key}={one} is an address; images are not downloaded: give files, or a folder.")
        if path.suffix.lower() in _VIDEOS:
            raise CandelabraError(
                f"{key}={one} is a video, which is not read; make images of it first: ffmpeg -i {path.name} "
                "frames/%05d.png, then give the folder frames."
            )
        if path.is_dir():
            images = list(find_images(path))
            _log_other_kinds(path, images)
        elif path.is_file():
            images = [path]
        else:
            images = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]
        if not images:
            raise CandelabraError(f"{key}={one} is no image, no folder with images and no glob that matches any.")
        found[str(one)] = images
    return found


def _log_other_kinds(folder: Path, images: Sequence[Path]) -> None:
    others = {path for path in folder.rglob("*") if path.is_file()} - set(images)
    kinds = Counter(path.suffix.lower() or "no ending" for path in others)
    if kinds:
        words = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common(8))
        log.info("%s: %d files are of kinds that are not read as images (%s)", escape_path(folder), len(others), words)
