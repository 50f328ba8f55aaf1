"""The label of each row of a table: one word, several in a cell, or columns of 0 and 1."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.class_words import clean_class_name
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.class_names import list_case_variants
from candelabra.data.readers.table_cells import parse_numbers
from candelabra.data.targets import LabelTarget
from candelabra.data.targets.label import LabelColumn
from candelabra.errors import CandelabraError, list_nearest

if TYPE_CHECKING:
    from pandas import DataFrame

_WHOLE = re.compile(r"([+-]?\d+)\.0*")  # a whole number as a spreadsheet writes it beside empty cells
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def read_label_words(
    table: "DataFrame", separator: str | None, told: Sequence[str], issues: list[DataIssue]
) -> LabelColumn | None:
    """The column `label`; null where there is none, or no label in it.

    Args:
        table: one row an image.
        separator: between several labels of a cell; null for one label a cell.
        told: all classes, in order; none for those that occur, sorted.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: a label is not among the told classes.
    """
    if LabelTarget.name not in table:
        return None
    cells = table[LabelTarget.name].convert_dtypes()  # or whole numbers beside an empty cell would end in .0
    given = [
        None if missing else clean_class_name(str(cell)) for cell, missing in zip(cells, cells.isna(), strict=True)
    ]
    if separator is None:
        lists = [[cell] if cell else None for cell in given]
    else:
        lists = [
            None if cell is None else [word for part in cell.split(separator) if (word := clean_class_name(part))]
            for cell in given
        ]
    spelt = _unify({word for words in lists for word in words or ()}, told)
    known = list(told) or sorted(set(spelt.values()))
    if not known:
        return None
    if not told:
        list_case_variants(known, issues)
    for word in sorted(set(spelt.values()) - set(known)):
        raise CandelabraError(f"The table has the label {word!r}; labels.json has {list_nearest(word, known)}.")
    places = {word: known.index(name) for word, name in spelt.items()}
    if separator is None:
        return LabelColumn(
            LabelTarget(tuple(known)), np.array([places[words[0]] if words else -1 for words in lists], np.int64)
        )
    values = np.full((len(table), len(known)), np.nan, np.float32)
    for row, words in enumerate(lists):
        if words is not None:
            values[row] = 0
            values[row, [places[word] for word in words]] = 1
    return LabelColumn(LabelTarget(tuple(known), multilabel=True), values)


def read_label_columns(table: "DataFrame", columns: Sequence[str], issues: list[DataIssue]) -> LabelColumn:
    """Columns of 0 and 1, one a class.

    Raises:
        CandelabraError: the table lacks one of them, or no cell of one is a number.
    """
    for column in columns:
        if column not in table:
            raise CandelabraError(f"data.columns names {column}; the table has {list_nearest(column, table.columns)}.")
    values: NDArray[np.float32] = parse_numbers(table, columns, issues, "data.columns").to_numpy(np.float32, copy=True)
    for row in np.flatnonzero(~(np.isnan(values) | (values == 0) | (values == 1)).all(1)):
        name = str(table["image"].iloc[row])
        issues.append(DataIssue(name, "class is neither 0 nor 1", IssueTreatment.UNLABELLED))
        values[row] = np.nan
    empty = np.isnan(values)
    for row in np.flatnonzero(empty.any(1) & ~empty.all(1)):
        name, lacking = str(table["image"].iloc[row]), np.array(columns)[empty[row]]
        issues.append(DataIssue(name, "partly labelled row", IssueTreatment.UNLABELLED, f"no {', '.join(lacking)}"))
    return LabelColumn(LabelTarget(tuple(columns), multilabel=True), values)


def _unify(words: Iterable[str], told: Sequence[str]) -> dict[str, str]:
    """The class of each word: where all words are numbers, 1.0 is 1."""
    words = list(words)
    if not all(_NUMBER.fullmatch(word) for word in words):
        return {word: word for word in words}
    whole = {word: match[1] for word in words if (match := _WHOLE.fullmatch(word))}
    return {word: word if word in told else whole.get(word, word) for word in words}
