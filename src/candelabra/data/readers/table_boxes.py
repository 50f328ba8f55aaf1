"""Tables with a row an object: the boxes of all objects of each image."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.object_boxes import make_object_column
from candelabra.data.readers.point_shares import scale_shares
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.readers.table_cells import parse_numbers
from candelabra.data.readers.table_frames import fit_table_to_files
from candelabra.data.readers.table_labels import read_label_words
from candelabra.data.targets import BoxesTarget, BoxTarget, Labels, LabelTarget
from candelabra.data.targets.box import BOX_COLUMNS
from candelabra.data.targets.object_column import ObjectColumn

if TYPE_CHECKING:
    from pandas import DataFrame

_UNNAMED = "object"  # the class of boxes without a label


def read_object_rows(
    table: "DataFrame", root: Path, images: Sequence[str], described: Labels, issues: list[DataIssue]
) -> list[ObjectColumn]:
    """The column of all boxes of each image; none where the table has no boxes, or they are stated not to be all.

    An image without a box is not labelled, for an empty cell says nothing.

    Args:
        table: rows with the columns image and those of a box, and perhaps label.
        root: the folder that images are below.
        images: of the samples.
        described: by labels.json, which states classes in their order, and whether there is one box an image.
        issues: list to which issues are appended that it does not hold yet.
    """
    single = BoxTarget.name in described and BoxesTarget.name not in described
    if single or BoxesTarget.name in table or not all(side in table for side in BOX_COLUMNS):
        return []
    classes = (described.find(BoxesTarget) or BoxesTarget()).classes
    own: list[DataIssue] = []
    wanted = [column for column in table.columns if column not in ("split", "mask")]
    rows = fit_table_to_files(table[wanted].drop_duplicates().reset_index(drop=True), root, True, (), [])
    names = rows["image"].astype(str).tolist()
    sides = parse_numbers(rows, BOX_COLUMNS, own).to_numpy(np.float32)
    sides = scale_shares(sides.reshape(-1, 2, 2), root, names, "box", own).reshape(-1, 4)
    sides = repair_boxes(sides, names, own)
    found = read_label_words(rows, None, classes, [])
    kinds = found.target.classes if found is not None and isinstance(found.target, LabelTarget) else (_UNNAMED,)
    numbers = found.values.tolist() if found is not None else [0] * len(rows)
    places: dict[str, list[int]] = {name: [] for name in images}
    unfinished: dict[str, None] = {}
    for row in np.flatnonzero(np.isfinite(sides).all(1)).tolist():
        if numbers[row] < 0:
            unfinished[names[row]] = None
        elif names[row] in places:
            places[names[row]].append(row)
    what = "object without a class, so that the boxes of its image are not all"
    own += [DataIssue(name, what, IssueTreatment.UNLABELLED) for name in unfinished if places.get(name)]
    known = set(issues)
    issues += [each for each in dict.fromkeys(own) if each not in known]
    column = make_object_column(
        [[kinds[int(numbers[row])] for row in places[name]] for name in images],
        [[False] * len(places[name]) for name in images],
        [sides[places[name]].reshape(-1, 4) for name in images],
        [bool(places[name]) and name not in unfinished for name in images],
        kinds,
    )
    return [column]
