"""Tables that state the size of each image: boxes and points are brought into the pixels of the files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue
from candelabra.data.readers.label_frames import fit_labels_to_files, is_relative
from candelabra.data.readers.object_annotations import AnnotatedImage, ObjectAnnotation
from candelabra.data.readers.table_cells import parse_numbers
from candelabra.data.readers.table_places import fold_column
from candelabra.data.targets.box import BOX_COLUMNS

if TYPE_CHECKING:
    from pandas import DataFrame

_SIZES = tuple((f"{before}width", f"{before}height") for before in ("image_", "img_", "original_", ""))
_SLACK = 1.0  # pixels that a label may lie outside of its image


def fit_table_to_files(
    table: "DataFrame", root: Path, boxed: bool, pairs: Sequence[str], issues: list[DataIssue]
) -> "DataFrame":
    """The table with its places in pixels of the files, where it states sizes that are not theirs.

    Columns width and height are sizes of images where every box and point lies in them; else they stay as they are.

    Args:
        table: a row an image.
        root: the folder that images are below.
        boxed: whether it has boxes.
        pairs: columns of x and y of each point.
        issues: list to which issues are appended.
    """
    given = {fold_column(str(column)): str(column) for column in reversed(table.columns)}
    stated = next(([given[side] for side in way] for way in _SIZES if all(side in given for side in way)), None)
    columns = [*(BOX_COLUMNS if boxed else ()), *pairs]
    if stated is None or not columns:
        return table
    places = parse_numbers(table, columns, []).to_numpy(np.float64, copy=True)
    sizes = parse_numbers(table, stated, []).to_numpy(np.float64)
    if is_relative([places]) or not _are_sizes(sizes, places, boxed):
        return table
    first = 4 if boxed else 0
    pictures = []
    for name, size, row in zip(table["image"], sizes, places, strict=True):
        box = tuple(row[:4].tolist()) if boxed else None
        points = row[first:].reshape(-1, 2).astype(np.float32) if pairs else None
        width, height = map(int, np.nan_to_num(size))
        thing = ObjectAnnotation("", box, points)
        pictures.append(AnnotatedImage(str(name), things=[thing], stated=(width, height) if width and height else None))
    before = [picture.things for picture in pictures]
    fit_labels_to_files(root, pictures, issues)
    changed = [row for row, picture in enumerate(pictures) if picture.things is not before[row]]
    for at in changed:
        places[at] = np.nan
        for thing in pictures[at].things or ():
            places[at, :first] = np.nan if thing.box is None else thing.box
            places[at, first:] = np.nan if thing.points is None else thing.points.flatten()
    fitted = table.drop(columns=stated)
    return fitted.assign(**{column: places[:, place] for place, column in enumerate(columns)}) if changed else fitted


def _are_sizes(sizes: NDArray[np.float64], places: NDArray[np.float64], boxed: bool) -> bool:
    """Whether numbers are sizes of images: whole ones that hold all places, and not those of the boxes."""
    known = np.isfinite(sizes).all(1)
    if not known.any() or (sizes[known] < 1).any() or (sizes[known] % 1).any():
        return False
    corners = places[known].reshape(known.sum(), -1, 2)
    outside = corners > sizes[known][:, None] + _SLACK  # false where nothing is known
    own = boxed and bool((np.abs(corners[:, 1] - corners[:, 0] - sizes[known]) <= _SLACK).all())
    return not outside.any() and not own
