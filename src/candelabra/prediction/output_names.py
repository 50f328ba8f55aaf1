"""Names of the files that are written for each image."""

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

_LONGEST = 200  # bytes of a name, to which an ending comes


def choose_output_names(paths: Sequence[Path]) -> list[str]:
    """A name for the outputs of each file: its own, with its folder's or a number in front where that was taken.

    >>> choose_output_names([Path("a/1.jpg"), Path("b/1.jpg"), Path("b/1.png")])
    ['1', 'b_1', '2_1']
    """
    taken: set[str] = set()
    names = []
    for number, path in enumerate(paths):
        first = (path.stem, f"{path.parent.name}_{path.stem}", f"{number}_{path.stem}")
        candidates = chain(first, (f"{number}_{further}_{path.stem}" for further in count()))
        name = next(name for name in map(_shorten, candidates) if name not in taken)
        taken.add(name)
        names.append(name)
    return names


def _shorten(name: str) -> str:
    """A name that a file system still takes when an ending comes to it."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST])
