"""Names that lists and folders give: they lead below the root, or nowhere."""

import os
from functools import lru_cache
from pathlib import Path

from candelabra.errors import UnreadableFile


def resolve_inside(root: Path, name: str | Path) -> Path:
    """The path of a file that a list names, if it lies below the root once `..` and all links are followed.

    Raises:
        UnreadableFile: it leads out of the root.

    >>> resolve_inside(Path("photos"), "cats/1.jpg").as_posix()
    'photos/cats/1.jpg'
    """
    path = root / name
    try:
        here = is_inside(path, root)
    except (OSError, ValueError) as error:  # too long a name, or a null in it
        raise UnreadableFile(f"{escape_path(path)} cannot be read ({escape_path(str(error))}).") from error
    if not here:
        raise UnreadableFile(
            f"{escape_path(path)} leads out of {escape_path(root)} "
            f"(to {escape_path(os.path.realpath(path))}), and nothing outside of "
            "data.root is read; give a folder that holds both, or copy the file."
        )
    return path


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path lies below the root, or is the root, once `..` and all links are followed.

    >>> is_inside(Path("photos/../photos/1.jpg"), Path("photos")), is_inside(Path("photos/../1.jpg"), Path("photos"))
    (True, False)
    """
    base = _real_folder(root)
    plain = path.name != ".." and not path.is_symlink()
    real = f"{_real_folder(path.parent)}{os.sep}{path.name}" if plain else os.path.realpath(path)
    return real == base or real.startswith(base.rstrip(os.sep) + os.sep)


@lru_cache(maxsize=4096)  # a data set has few folders and many files, each of which is asked about in every epoch
def _real_folder(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises where links go in circles


def escape_path(path: str | Path) -> str:
    r"""A path as text that can be encoded as UTF-8; bytes that are not UTF-8 become \udc and their number.

    Every name that is logged or printed goes through this function; logs and pytest-xdist's reports fail otherwise.

    >>> escape_path(os.fsdecode(b"caf\xe9.jpg"))
    'caf\\udce9.jpg'
    """
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
