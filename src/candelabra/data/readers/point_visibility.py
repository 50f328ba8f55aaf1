"""Columns of a table that say whether a point is visible, or how sure a detector was of it."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.table_cells import parse_numbers

if TYPE_CHECKING:
    from pandas import DataFrame

INVISIBLE_POINTS = "points that are said to be invisible"  # an issue
LEAST_LIKELIHOOD = 0.6  # below which DeepLabCut shows no point (its `pcutoff`)
_SURE = ("likelihood", "confidence", "score")
_FLAG = re.compile(rf"(?P<point>.+)[ _](?P<kind>v|vis|visible|visibility|{'|'.join(_SURE)})", re.IGNORECASE)
_WORDS = {"true": 1, "yes": 1, "visible": 1, "false": 0, "no": 0, "invisible": 0, "hidden": 0}


def find_visibility_columns(table: "DataFrame", names: Sequence[str]) -> dict[str, str]:
    """The column of each point that has one: `<point>_v`, `_vis`, `_visible`, `_visibility`, `_likelihood`, ..."""
    points = {name.casefold(): name for name in names}
    found: dict[str, str] = {}
    for column in map(str, table.columns):
        match = _FLAG.fullmatch(column)
        point = points.get(match["point"].casefold()) if match else None
        if point is not None:
            found.setdefault(point, column)
    return found


def drop_invisible_points(
    table: "DataFrame",
    points: NDArray[np.float32],
    names: Sequence[str],
    columns: Mapping[str, str],
    issues: list[DataIssue],
) -> NDArray[np.float32]:
    """Points without those that their column calls invisible: 0 or less, or a likelihood below 0.6.

    An empty cell is invisible too, unless a whole row says nothing. Points at (0, 0) that are left are reported.

    Args:
        table: one row an image.
        points: (n, K, 2), NaN where not labelled.
        names: of the points.
        columns: see `find_visibility_columns`.
        issues: list to which an issue is appended.
    """
    if not columns:
        return _report_corner_points(table, points, issues)
    words = table[list(columns.values())].apply(lambda cells: cells.map(_read_word))
    flags = parse_numbers(words.assign(image=table["image"]), list(words.columns), issues).to_numpy(np.float32)
    least = [LEAST_LIKELIHOOD if str(column).lower().endswith(_SURE) else 0.0 for column in words.columns]
    seen = np.where(np.array(least) > 0, flags >= least, flags > 0) | words.isna().all(axis=1).to_numpy()[:, None]
    hidden = np.zeros(points.shape[:2], bool)
    hidden[:, [list(names).index(name) for name in columns]] = ~seen
    lost = hidden & np.isfinite(points).all(2)
    if lost.any():
        first = str(table["image"].iloc[int(np.flatnonzero(lost.any(1))[0])])
        detail = f"{int(lost.sum())} points of {int(lost.any(1).sum())} images, by {', '.join(columns.values())}"
        issues.append(DataIssue(first, INVISIBLE_POINTS, IssueTreatment.UNLABELLED, detail))
    return _report_corner_points(table, np.where(hidden[..., None], np.float32("nan"), points), issues)


def _report_corner_points(
    table: "DataFrame", points: NDArray[np.float32], issues: list[DataIssue]
) -> NDArray[np.float32]:
    """Reports points at (0, 0), which many tools write for a point that is not there; they are used as they are."""
    corner = (points == 0).all(2)
    if corner.sum() > 1:  # one may lie there by chance
        first = str(table["image"].iloc[int(np.flatnonzero(corner.any(1))[0])])
        detail = f"{int(corner.sum())} points of {int(corner.any(1).sum())} images; empty these cells if they are not"
        issues.append(DataIssue(first, "points at (0, 0) count as labelled", IssueTreatment.USED, detail))
    return points


def _read_word(cell: object) -> object:
    return _WORDS.get(cell.strip().lower(), cell) if isinstance(cell, str) else cell
