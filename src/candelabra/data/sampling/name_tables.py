"""Reads a column of a table by the names of samples: splits, groups or weights."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.stated_paths import fold_name
from candelabra.data.decoding.table_files import read_table_file
from candelabra.errors import CandelabraError, list_nearest

if TYPE_CHECKING:
    from pandas import DataFrame

_NAMED = ("name", "image")  # columns that name samples
TABLE_PATTERN = re.compile(r"(?P<file>.+\.(?:csv|tsv|parquet))(?::(?P<column>.+))?", re.IGNORECASE)


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
    found = TABLE_PATTERN.fullmatch(word)
    assert found
    path = find_name_table(found["file"], root)
    if path is None:
        raise CandelabraError(f"{key}={word}: there is no file {found['file']}; give a path, or one below data.root.")
    table = read_table_file(path, [])
    column = _find_column(table, found["column"] or column)
    if column not in table:
        raise CandelabraError(
            f"{key}={word}: {path} has no column {column}; it has {list_nearest(column, table.columns)}."
        )
    if not len(table):
        raise CandelabraError(f"{key}={word}: {path} has no rows.")
    named = next((each for word in _NAMED if (each := _find_column(table, word)) in table), str(table.columns[0]))
    table = table.dropna(subset=[named])
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


def _find_column(table: "DataFrame", word: str) -> str:
    """A column by its name, or by one that differs in letter case alone; the word itself where there is none."""
    alike = [str(each) for each in table.columns if str(each).casefold() == word.casefold()]
    return word if word in table or not alike else alike[0]


def find_name_table(file: str, root: str | None) -> Path | None:
    """A file as given, or below the folder of the data set."""
    places = [Path(file).expanduser(), *([Path(root).expanduser() / file] if root else [])]
    return next((place for place in places if place.is_file()), None)


def _of(names: Sequence[str], cells: dict[str, Any]) -> NDArray[Any]:
    folded = _unique({fold_name(name.replace("\\", "/")): value for name, value in cells.items()}, len(cells))
    short = _unique({fold_name(Path(name.replace("\\", "/")).name): value for name, value in cells.items()}, len(cells))
    if len({fold_name(Path(name).name) for name in names}) < len(names):
        short = {}
    values = np.empty(len(names), dtype=object)
    for index, name in enumerate(names):
        ways = ((cells, name), (folded, fold_name(name)), (short, fold_name(Path(name).name)))
        value = next((found[word] for found, word in ways if word in found), None)
        values[index] = None if value != value or value == "" else value  # an empty cell
    return values


def _unique(found: dict[str, Any], count: int) -> dict[str, Any]:
    """What was found, if none of so many names was lost by being like another."""
    return found if len(found) == count else {}
