"""Reads tables of labels, also with unknown encodings, broken lines and repeated rows."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def load_table(path: Path, issues: list[DataIssue]) -> "DataFrame":
    """A table whose rows name an image; the first column is the image where none is called so.

    A line of a CSV with too many cells keeps its image alone.

    Raises:
        CandelabraError: it is missing, has no rows, or cannot be read.
    """
    import pandas

    if not path.is_file():
        raise CandelabraError(f"The table {path} is missing; name it with data.file=<file below data.root>.")
    try:
        table = pandas.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, issues)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's own errors are among them
        raise CandelabraError(f"The table {path} cannot be read ({' '.join(str(error).split())}).") from error
    if not len(table):
        raise CandelabraError(f"The table {path} has no rows.")
    if "image" not in table:
        table = table.rename(columns={table.columns[0]: "image"})
    return table.dropna(subset="image")


def _read_csv(path: Path, issues: list[DataIssue]) -> "DataFrame":
    import pandas

    options: dict[str, Any] = {"low_memory": False, "index_col": False, "converters": {"label": clean_cell}}
    try:
        with path.open(encoding="utf-8-sig") as file:
            while file.read(2**24):
                pass
        options["encoding"] = "utf-8-sig"
    except UnicodeDecodeError as error:
        issues.append(DataIssue(path.name, "text is not UTF-8", IssueTreatment.USED, f"read as Latin-1 ({error})"))
        options["encoding"] = "latin-1"
    broken = (pandas.errors.ParserError, pandas.errors.ParserWarning)
    with warnings.catch_warnings(), suppress(*broken):
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        table: DataFrame = pandas.read_csv(path, **options)
        return table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pandas.errors.ParserWarning)
        return _read_broken(path, options["encoding"], issues)


def _read_broken(path: Path, encoding: str, issues: list[DataIssue]) -> "DataFrame":
    """A CSV some of whose lines have too many cells."""
    import pandas

    head = pandas.read_csv(path, nrows=0, encoding=encoding, index_col=False)
    width = len(head.columns)
    place = list(head.columns).index("image") if "image" in head else 0

    def keep(cells: list[str]) -> list[str | None]:
        if not any(cells[width:]):  # commas at the end of lines
            return [cell or None for cell in cells[:width]]
        issues.append(
            DataIssue(
                cells[place], "malformed line of a table", IssueTreatment.UNLABELLED, f"{len(cells)} cells, not {width}"
            )
        )
        return [cells[place] if column == place else None for column in range(width)]

    options: dict[str, Any] = {
        "engine": "python",
        "on_bad_lines": keep,
        "index_col": False,
        "converters": {"label": clean_cell},
    }
    table: DataFrame = pandas.read_csv(path, encoding=encoding, **options)
    return table


def clean_cell(cell: str) -> str | float:
    """A label as it stands in a CSV: neither 01 nor NA is a number; an empty cell is none."""
    return cell or float("nan")


def parse_numbers(table: "DataFrame", columns: Sequence[str], issues: list[DataIssue]) -> "DataFrame":
    """Columns as float32; what is no number is not labelled."""
    import pandas

    found = {}
    for column in columns:
        cells: Series[Any] = table[column]
        values = pandas.to_numeric(cells, errors="coerce")
        wrong = values.isna() & cells.notna()
        for row in wrong[wrong].index[:1000]:
            detail = f"{column}={cells[row]}"
            issues.append(DataIssue(str(table["image"][row]), "cell is no number", IssueTreatment.UNLABELLED, detail))
        found[column] = values.astype("float32")
    return pandas.DataFrame(found, index=table.index)


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
    words = table["split"].fillna("").astype(str).str.strip().str.lower()
    unknown = sorted(set(words) - set(SPLIT_ALIASES) - {""})
    if unknown:
        raise CandelabraError(f"The split {unknown[0]!r} is not known; allowed are train, val, test, or an empty cell.")
    return words.map(lambda word: SPLIT_ALIASES.get(word, "")).to_numpy(dtype="<U5")


def load_tables_by_split(given: str | Mapping[str, str], argument: str) -> Mapping[str, str]:
    """One word, or one a split; "" stands for no split.

    Raises:
        CandelabraError: a key is no split.
    """
    if isinstance(given, str):
        return {"": given}
    for key in given:
        if key not in SPLIT_ALIASES:
            raise CandelabraError(f"data.{argument} names the split {key}; allowed are train, val and test.")
    return {SPLIT_ALIASES[key]: value for key, value in given.items()}
