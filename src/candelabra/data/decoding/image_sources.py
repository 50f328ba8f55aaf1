"""The images that files, folders and globs stand for."""

import glob
from collections.abc import Sequence
from pathlib import Path

from candelabra.data.decoding.images import find_images
from candelabra.errors import CandelabraError


def list_sources(source: str | Sequence[str], key: str = "source") -> list[Path]:
    """The images that files, folders and globs stand for, in order, each once.

    Args:
        source: one of them, or several.
        key: the option that names them, for errors.

    Raises:
        CandelabraError: one of them stands for nothing.
    """
    found: dict[Path, None] = {}
    for one in [source] if isinstance(source, str) else source:
        path = Path(one).expanduser()
        if path.is_dir():
            images = list(find_images(path))
        elif path.is_file():
            images = [path]
        else:
            images = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_file()]
        if not images:
            raise CandelabraError(f"{key}={one} is no image, no folder with images and no glob that matches any.")
        found |= dict.fromkeys(images)
    return list(found)
