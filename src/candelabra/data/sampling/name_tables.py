"""Reads a column of a table by the names of samples: splits, groups or weights."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.errors import CandelabraError, list_nearest

TABLE_PATTERN = re.compile(r"(?P<file>.+\.(?:csv|parquet))(?::(?P<column>.+))?", re.IGNORECASE)


def is_table(word: str) -> bool:
    """Whether a word names a table: `drives.csv`, or `drives.csv:person` for the column person."""
    return TABLE_PATTERN.fullmatch(word) is not None


def read_column(key: str, word: str, column: str, names: Sequence[str], root: str | None) -> NDArray[Any]:
    """The cell of each sample in a column of a table that names samples in `name`, `image` or its first column.

    Names match those of the data set, or by file name alone where file names are unique.

    Args:
        key: the option that names the table, for errors.
        word: see `is_table`; a path that is not found is looked for below `root`.
        column: which one, where the word names none.
        names: of the samples.
        root: folder of the data set.

    Returns:
        (n,) objects, null for a sample that the table lacks, or whose cell is empty.

    Raises:
        CandelabraError: there is no such table or column, it names a sample twice, or none of them.
    """
    import pandas

    found = TABLE_PATTERN.fullmatch(word)
    assert found
    path = find_name_table(found["file"], root)
    if path is None:
        raise CandelabraError(f"{key}={word}: there is no file {found['file']}; give a path, or one below data.root.")
    if path.suffix.lower() == ".parquet":
        table = pandas.read_parquet(path)
    else:  # as text: neither 01 nor NA is a number
        table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    column = found["column"] or column
    if column not in table:
        raise CandelabraError(
            f"{key}={word}: {path} has no column {column}; it has {list_nearest(column, table.columns)}."
        )
    named = next((each for each in ("name", "image") if each in table), str(table.columns[0]))
    cells = dict(zip(table[named].astype(str), table[column].tolist(), strict=True))
    if len(cells) < len(table):
        twice = Counter(table[named].astype(str)).most_common(1)[0][0]
        raise CandelabraError(f"{key}={word}: {path} names {twice} more than once; leave one line of it.")
    values = _of(names, cells)
    if all(value is None for value in values):
        raise CandelabraError(
            f"{key}={word}: none of the {len(table)} names in {path} ({next(iter(cells), '')}, ...) is one of these "
            f"data ({names[0]}, ...)."
        )
    return values


def find_name_table(file: str, root: str | None) -> Path | None:
    """A file as given, or below the folder of the data set."""
    places = [Path(file).expanduser(), *([Path(root).expanduser() / file] if root else [])]
    return next((place for place in places if place.is_file()), None)


def _of(names: Sequence[str], cells: dict[str, Any]) -> NDArray[Any]:
    short = {Path(name).name: value for name, value in cells.items()}
    unique = len(short) == len(cells) and len({Path(name).name for name in names}) == len(names)
    values = np.empty(len(names), dtype=object)
    for index, name in enumerate(names):
        value = cells[name] if name in cells else short.get(Path(name).name) if unique else None
        values[index] = None if value != value or value == "" else value  # an empty cell
    return values
