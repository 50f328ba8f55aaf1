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

_NAMED = tuple((f"{before}width", f"{before}height") for before in ("image_", "img_", "original_"))
_SIZES = (*_NAMED, ("width", "height"))  # the last may be sizes of anything
_FEW = 0.01  # of the places that may lie outside of sizes of images
_MOST = 0.9  # of the boxes that have a size which is theirs
_SLACK = 1.0  # pixels that a label may lie outside of its image


def fit_table_to_files(
    table: "DataFrame", root: Path, boxed: bool, pairs: Sequence[str], issues: list[DataIssue]
) -> "DataFrame":
    """The table with its places in pixels of the files, where it states sizes that are not theirs.

    Columns width and height are sizes of images where boxes and points lie in them; else they stay as they are.

    Args:
        table: a row an image.
        root: the folder that images are below.
        boxed: whether it has boxes.
        pairs: columns of x and y of each point.
        issues: list to which issues are appended.
    """
    given = {fold_column(str(column)): str(column) for column in reversed(table.columns)}
    way = next((way for way in _SIZES if all(side in given for side in way)), None)
    columns = [*(BOX_COLUMNS if boxed else ()), *pairs]
    if way is None or not columns:
        return table
    stated = [given[side] for side in way]
    places = parse_numbers(table, columns, []).to_numpy(np.float64, copy=True)
    sizes = parse_numbers(table, stated, []).to_numpy(np.float64, copy=True)
    if is_relative([places]) or not (way in _NAMED or _are_sizes(sizes, places, boxed)):
        return table
    sizes[~(np.isfinite(sizes) & (sizes >= 1)).all(1)] = 0
    first = 4 if boxed else 0
    pictures = []
    for name, size, row in zip(table["image"], sizes, places, strict=True):
        box = tuple(row[:4].tolist()) if boxed else None
        points = row[first:].reshape(-1, 2).astype(np.float32) if pairs else None
        width, height = map(int, size)
        thing = ObjectAnnotation("", box, points)
        pictures.append(AnnotatedImage(str(name), things=[thing], stated=(width, height) if width else None))
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
    """Whether numbers are sizes of images: whole ones that hold nearly all places, and are not those of the boxes."""
    known = np.isfinite(sizes).all(1)
    if not known.any() or (sizes[known] < 1).any() or (sizes[known] % 1).any():
        return False
    corners = places[known].reshape(known.sum(), -1, 2)
    outside = (corners > sizes[known][:, None] + _SLACK).any(2)  # false where nothing is known
    fit = outside.sum() <= _FEW * np.isfinite(corners).all(2).sum()
    return bool(fit) and not (boxed and _are_sides(sizes[known], corners))


def _are_sides(sizes: NDArray[np.float64], corners: NDArray[np.float64]) -> bool:
    """Whether numbers are the sides of most boxes, of which there are corners."""
    apart = np.abs(np.abs(corners[:, 1] - corners[:, 0]) - sizes).max(1)
    apart = apart[np.isfinite(apart)]
    return len(apart) > 0 and bool((apart <= _SLACK).mean() >= _MOST)
