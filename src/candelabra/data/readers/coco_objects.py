"""Parses one annotation of a COCO document; a part that is malformed is left out, and the rest of it is read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from candelabra.data.readers.coco_categories import CocoCategories, CocoCategory
from candelabra.data.readers.object_annotations import ObjectAnnotation
from candelabra.data.readers.polygons import PolygonOutline, Polygons, RunLengths, decode_run_lengths
from candelabra.types import WidthHeight

Part = TypeVar("Part")
Sides = tuple[float, float, float, float]
_MALFORMED = (KeyError, TypeError, ValueError, OverflowError, AttributeError)
_SIDES = (  # spellings of a box that is a mapping, and whether its last two are corners
    (("x", "y", "w", "h"), False),
    (("x", "y", "width", "height"), False),
    (("left", "top", "width", "height"), False),
    (("xmin", "ymin", "xmax", "ymax"), True),
    (("x1", "y1", "x2", "y2"), True),
    (("left", "top", "right", "bottom"), True),
)
_NO = ("", "0", "0.0", "false", "no", "n", "f", "none", "null")
_YES = ("1", "1.0", "true", "yes", "y", "t")


class CocoUnits(NamedTuple):
    """Which coordinates of a document are shares of the image; others are pixels.

    Args:
        box, points, polygons: of boxes, keypoints and outlines.
    """

    box: bool = False
    points: bool = False
    polygons: bool = False


class PartFault(NamedTuple):
    """A part of an annotation that could not be read as it is.

    Args:
        part: box, keypoints, outline or iscrowd.
        detail: what was wrong.
    """

    part: str
    detail: str


def parse_coco_object(
    annotation: Mapping[str, Any], categories: CocoCategories, size: WidthHeight | None, units: CocoUnits
) -> tuple[ObjectAnnotation, list[PartFault]]:
    """The object of an annotation, in pixels of the stated size, and what was wrong with parts of it.

    Args:
        annotation: as the document has it.
        categories: of the document.
        size: (width, height) of the image; null where it is not known, and no part needs it.
        units: of the document.

    Raises:
        ValueError: its category is not known, or nothing in it is right.
    """
    category = categories.by_id.find(annotation.get("category_id"))
    if category is None:
        raise ValueError(f"category {str(annotation.get('category_id'))[:80]} is not known")
    faults: list[PartFault] = []

    def read(part: str, key: str, parse: Callable[[Any], Part | None]) -> Part | None:
        given = annotation.get(key)
        if given is None or (isinstance(given, list | str | Mapping) and not given):
            return None
        try:
            return parse(given)
        except _MALFORMED as error:
            faults.append(PartFault(part, f"{error} ({key} is {str(given)[:80]})"))
            return None

    box = read("box", "bbox", lambda given: _scale_box(parse_coco_box(given), size if units.box else None))
    points = read("keypoints", "keypoints", lambda given: _points(given, category, categories, size, units))
    outline = read("outline", "segmentation", lambda given: _outline(given, size, units))
    crowd = read("iscrowd", "iscrowd", _parse_flag)
    return ObjectAnnotation(category.name, box, points, outline, bool(crowd)), faults


def parse_coco_box(given: Any) -> Sides:
    """XYXY of a box: left, top, width and height, or a mapping of these or of corners.

    Raises:
        ValueError, TypeError, KeyError: it is neither.
    """
    if isinstance(given, Mapping):
        lower = {str(key).lower(): value for key, value in given.items()}
        sides, corners = next(
            ((keys, corners) for keys, corners in _SIDES if all(key in lower for key in keys)), ((), False)
        )
        if not sides:
            raise ValueError("a box that is no x, y, width and height")
        left, top, width, height = (float(lower[key]) for key in sides)
        return (left, top, width, height) if corners else (left, top, left + width, top + height)
    if isinstance(given, str) or len(given) != 4:
        raise ValueError("a box that is not four numbers")
    left, top, width, height = (float(side) for side in given)
    return left, top, left + width, top + height


def _scale_box(box: Sides, size: WidthHeight | None) -> Sides:
    if size is None:
        return box
    return box[0] * size[0], box[1] * size[1], box[2] * size[0], box[3] * size[1]


def flatten_numbers(given: Sequence[Any]) -> NDArray[np.float64]:
    """Numbers of a list, or of a list of lists, one after another; null is NaN."""
    flat = [part for each in given for part in (each if isinstance(each, list | tuple) else [each])]
    return np.array([np.nan if part is None else float(part) for part in flat], np.float64)


def _points(
    given: Sequence[Any], category: CocoCategory, categories: CocoCategories, size: WidthHeight | None, units: CocoUnits
) -> NDArray[np.float32] | None:
    """(K, 2) XY in pixels, NaN where the visibility is 0, or a point without one is at 0, 0."""
    count = len(categories.points)
    if not count or (category.points and category.points != tuple(categories.points)):
        return None
    numbers = flatten_numbers(given)
    if len(numbers) not in (2 * count, 3 * count):
        raise ValueError(f"{len(numbers)} numbers for {count} keypoints")
    rows = numbers.reshape(count, -1)
    seen = np.asarray(rows[:, 2] > 0 if rows.shape[1] == 3 else (rows[:, :2] != 0).any(1))
    placed = seen & np.isfinite(rows).all(1)
    scale = np.array(size if units.points and size else (1, 1))
    return np.where(placed[:, None], rows[:, :2] * scale, np.nan).astype(np.float32)


def _outline(segmentation: Any, size: WidthHeight | None, units: CocoUnits) -> PolygonOutline | None:
    """The outline of an object; null where it is empty."""
    if isinstance(segmentation, Mapping):
        rows, columns = (int(side) for side in segmentation["size"])
        counts = segmentation["counts"]
        return RunLengths((rows, columns), decode_run_lengths(counts) if isinstance(counts, str) else counts)
    if isinstance(segmentation, str):
        raise ValueError("an outline that is text")
    width, height = (1, 1) if units.polygons else size or (0, 0)
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    rings = [segmentation] if not any(isinstance(ring, list | tuple) for ring in segmentation) else segmentation
    if rings is segmentation and _are_points(segmentation):
        rings = [segmentation]
    found = [_ring(ring, (width, height)) for ring in rings if len(ring) > 0]
    found = [ring for ring in found if len(ring) > 1]  # one of two numbers is a point, without area
    return Polygons(found) if found else None


def _are_points(rings: Sequence[Any]) -> bool:
    """Whether a list of lists is one ring of points [x, y], not several rings."""
    return len(rings) > 2 and all(isinstance(ring, list | tuple) and len(ring) == 2 for ring in rings)


def _ring(ring: Sequence[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """A polygon (n, 2) as shares of width and height, from x, y, x, y, ... or from points."""
    numbers = flatten_numbers(ring)
    if len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError("an outline that is no polygon")
    return (numbers.reshape(-1, 2) / size).astype(np.float32)


def _parse_flag(given: Any) -> bool:
    """Whether iscrowd says yes, also as text."""
    word = str(given).strip().lower()
    if word not in _YES and word not in _NO:
        raise ValueError("a flag that is neither 0 nor 1; taken for 0")
    return word in _YES
