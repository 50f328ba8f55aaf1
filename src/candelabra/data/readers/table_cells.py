"""Numbers, splits and repeated rows of tables of labels."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES, parse_split_cells
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def parse_numbers(
    table: "DataFrame", columns: Sequence[str], issues: list[DataIssue], option: str | None = None
) -> "DataFrame":
    """Columns as float32; what is no number is not labelled. 10,5 is ten and a half where no cell is like 1,000.

    Args:
        table: of labels.
        columns: names of columns.
        issues: list to which issues are appended.
        option: that names the columns, if a column must have a number where it is not empty.

    Raises:
        CandelabraError: an option names a column in which no cell is a number.
    """
    import pandas

    found = {}
    for column in columns:
        cells: Series[Any] = table[column]
        values = pandas.to_numeric(_with_points(cells), errors="coerce")
        wrong = values.isna() & cells.notna()
        if option and wrong.any() and values.isna().all():
            raise CandelabraError(
                f"{option} names {column}, in which no cell is a number, such as {str(cells[wrong].iloc[0])!r:.60}; "
                "allowed are numbers such as 1137.50 or 1137,50, without thousands separators or units."
            )
        for row in wrong[wrong].index[:1000]:
            detail = f"{column}={cells[row]}"
            issues.append(DataIssue(str(table["image"][row]), "cell is no number", IssueTreatment.UNLABELLED, detail))
        found[column] = values.astype("float32")
    return pandas.DataFrame(found, index=table.index)


def _with_points(cells: "Series[Any]") -> "Series[Any]":
    """Cells with a decimal point in place of a comma, where that is what a comma must be."""
    if cells.dtype.kind in "biuf":
        return cells
    commas = cells.map(lambda cell: isinstance(cell, str) and _DECIMAL_COMMA.fullmatch(cell) is not None)
    if not commas.any() or (cells[commas].str.rpartition(",")[2].str.len() == 3).all():
        return cells
    return cells.mask(commas, cells[commas].str.replace(",", "."))


def convert_numbers(table: "DataFrame") -> "DataFrame":
    """The table with columns as numbers that hold nothing else."""
    import pandas

    numbers = {}
    for column in table.columns:
        values = pandas.to_numeric(table[column], errors="coerce")
        if values.notna().any() and (values.notna() == table[column].notna()).all():
            numbers[column] = values
    return table.assign(**numbers)


def merge_repeated(table: "DataFrame", together: Sequence[Sequence[str]], issues: list[DataIssue]) -> "DataFrame":
    """One row an image: equal rows are one, and what rows of one image contradict each other in is not labelled.

    Args:
        table: of labels.
        together: columns of which none is labelled where one is contradicted, such as the sides of a box.
        issues: list to which issues are appended.
    """
    repeated = table.duplicated("image", keep=False)
    if not repeated.any():
        return table
    several = table[repeated]
    issues += [
        DataIssue(str(name), "row is there twice", IssueTreatment.REPAIRED)
        for name in several["image"][several.duplicated()]
    ]
    counts = several.groupby("image", sort=False).nunique(dropna=False)
    merged = table.drop_duplicates("image").copy()
    groups = {column: [column] for column in table.columns if column != "image"}
    groups |= {column: [each for each in columns if each in table] for columns in together for column in columns}
    for column in counts.columns[(counts > 1).any()]:
        names = counts.index[counts[column] > 1]
        rows = merged["image"].isin(names)
        for other in groups[column]:
            merged[other] = merged[other].mask(rows)
        issues += [
            DataIssue(str(name), "rows contradict each other", IssueTreatment.UNLABELLED, str(column)) for name in names
        ]
    return merged


def read_split_column(table: "DataFrame") -> Any:
    """The split of each row: train, val, test or "".

    Raises:
        CandelabraError: a word is none of these, or of what else they are called.
    """
    import numpy as np

    if "split" not in table:
        return np.full(len(table), "", dtype="<U5")
    return np.array(parse_split_cells(table["split"].fillna(""), "The table"), dtype="<U5")


def load_tables_by_split(given: str | Mapping[str, str], argument: str) -> Mapping[str, str]:
    """One word, or one a split; "" stands for no split.

    Raises:
        CandelabraError: a key is no split, or two are one.
    """
    if isinstance(given, str):
        return {"": given}
    for key in given:
        if str(key).lower() not in SPLIT_ALIASES:
            raise CandelabraError(f"data.{argument} names the split {key}; allowed are train, val and test.")
    splits = {SPLIT_ALIASES[str(key).lower()]: value for key, value in given.items()}
    if len(splits) < len(given):
        raise CandelabraError(f"data.{argument} names a split twice: {', '.join(map(str, given))}.")
    return splits
