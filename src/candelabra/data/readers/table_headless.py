"""Tables whose first line is no header: what their columns are, where that is certain."""

from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.targets.box import BOX_COLUMNS
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame


def name_headless(table: "DataFrame", path: Path, issues: list[DataIssue]) -> "DataFrame":
    """A table without a header with names of its columns: an image, and a label, a split, or a box and a label.

    Args:
        table: its columns are called `column 1`, ...
        path: of the file.
        issues: list to which an issue is appended.

    Raises:
        CandelabraError: nobody can tell what the columns are.
    """
    import pandas

    columns = [str(column) for column in table.columns]
    endings = {column: str(table[column].iloc[0]).rpartition(".")[2].lower() for column in columns}
    image = next(column for column in columns if f".{endings[column]}" in IMAGE_SUFFIXES)
    others = [column for column in columns if column != image]
    numbers = table[others].apply(pandas.to_numeric, errors="coerce")
    splits = [
        c for c in others if table[c].dropna().str.lower().isin([*SPLIT_ALIASES]).all() and table[c].notna().any()
    ]
    rest = [column for column in others if column not in splits]
    names = {image: "image"}
    if (
        len(splits) <= 1
        and len(rest) <= 1
        and not (rest and endings[rest[0]] and f".{endings[rest[0]]}" in IMAGE_SUFFIXES)
    ):
        names |= dict.fromkeys(splits, "split") | dict.fromkeys(rest, "label")
    elif len(others) == 5 and _are_boxes(numbers[others[:4]]):
        names |= dict(zip(others, [*BOX_COLUMNS, "label"], strict=True))
    elif not numbers.notna().all(axis=None):
        first = ", ".join(map(str, table.iloc[0].fillna("").tolist()))[:100]
        raise CandelabraError(
            f"The table {path} has no header: its first line is {first}. Write a line of the names of its "
            f"{len(columns)} columns above it: image, and label, xmin, ymin, xmax, ymax, mask, ..."
        )
    said = ", ".join(names.get(column, column) for column in columns)
    issues.append(DataIssue(path.name, "table without a header", IssueTreatment.USED, f"read as {said}"))
    named = table.rename(columns=names)
    named.attrs = {}
    return named


def _are_boxes(numbers: "DataFrame") -> bool:
    """Whether four columns are corners: the third is above the first, and the fourth above the second."""
    corners = numbers.dropna().to_numpy()
    return len(corners) > 0 and bool((corners[:, 2:] > corners[:, :2]).all())
