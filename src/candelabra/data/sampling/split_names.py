"""Spellings of split names in folders and files."""

from collections.abc import Iterable
from typing import Any

from candelabra.errors import CandelabraError

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def parse_split_name(name: str) -> str:
    """The split that the name of a folder means, ignoring numbers at its end; "" for none.

    >>> parse_split_name("Training"), parse_split_name("val2017"), parse_split_name("cats")
    ('train', 'val', '')
    """
    return SPLIT_ALIASES.get(name.lower().rstrip("0123456789_-"), "")


def parse_split_cells(cells: Iterable[Any], place: str) -> list[str]:
    """The split that each cell of a table names; "" for an empty cell.

    Args:
        cells: text or null.
        place: the table or its option, for errors.

    Raises:
        CandelabraError: a cell names no split.

    >>> parse_split_cells(["Train ", "VALID", None, "testing"], "source=images.csv")
    ['train', 'val', '', 'test']
    """
    words = ["" if cell is None else str(cell).strip().lower() for cell in cells]
    if unknown := sorted(set(words) - set(SPLIT_ALIASES) - {""}):
        raise CandelabraError(
            f"{place}: the split {unknown[0]!r} is not known; allowed are train, val, test, or an empty cell."
        )
    return [SPLIT_ALIASES.get(word, "") for word in words]
