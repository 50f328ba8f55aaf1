"""Tables with a row an object: one row of each image gives its label, box and points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import OBJECT_RULES, ObjectRule, choose_object, describe_several_objects
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame

_SAME_OBJECT = 0.5  # IoU above which two rows are taken for the same object


def choose_object_rows(
    table: "DataFrame", boxes: NDArray[np.float32], columns: Sequence[str], rule: ObjectRule, issues: list[DataIssue]
) -> "DataFrame":
    """The table with what one row of each image says of its object in all rows of that image.

    Rows of one image whose boxes are alike are no objects: they contradict each other, or are there twice.

    Args:
        table: rows with the column image.
        boxes: (n, 4) XYXY, NaN where there is none.
        columns: that describe an object.
        rule: which object is taken; see `choose_object`.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: the rule is not known.
    """
    if rule not in OBJECT_RULES:
        raise CandelabraError(f"data.objects={rule} is not known; allowed are {', '.join(OBJECT_RULES)}.")
    names = table["image"].to_numpy()
    repeated = np.flatnonzero(table.duplicated("image", keep=False).to_numpy())
    groups: dict[str, list[int]] = {}
    for row in repeated[np.isfinite(boxes[repeated]).all(1)]:
        groups.setdefault(str(names[row]), []).append(int(row))
    groups = {name: _distinct(rows, boxes) for name, rows in groups.items()}
    if not any(_has_objects(boxes[rows]) for rows in groups.values()):
        return table
    several = {name: rows for name, rows in groups.items() if len(rows) > 1}
    source = np.arange(len(table))
    all_rows: dict[str, list[int]] = {}
    for row in repeated:
        all_rows.setdefault(str(names[row]), []).append(int(row))
    blank: list[int] = []
    for name, rows in several.items():
        areas = (boxes[rows, 2] - boxes[rows, 0]) * (boxes[rows, 3] - boxes[rows, 1])
        if rule == "single":
            detail = f"{len(rows)}, with data.objects=single"
            issues.append(DataIssue(name, "several objects", IssueTreatment.UNLABELLED, detail))
            blank += all_rows[name]
        else:
            place = choose_object([abs(float(area)) for area in areas], rule)
            source[all_rows[name]] = rows[place or 0]
    if rule != "single":
        issues += describe_several_objects(list(several), table["image"].nunique(), rule)
    chosen = table.copy()
    for column in columns:
        cells = table[column].to_numpy(dtype=object)[source]
        cells[blank] = None
        chosen[column] = cells
    return chosen.drop_duplicates()


def _distinct(rows: Sequence[int], boxes: NDArray[np.float32]) -> list[int]:
    """Rows, without those whose box another row has."""
    return list({tuple(boxes[row].tolist()): row for row in reversed(rows)}.values())[::-1]


def _has_objects(boxes: NDArray[np.float32]) -> bool:
    """Whether two boxes are too far apart for one object."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    sides = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    shared = sides.clip(min=0).prod(-1)
    areas = (high - low).prod(-1)
    union = areas[:, None] + areas[None] - shared
    return bool((shared < _SAME_OBJECT * union).any())
