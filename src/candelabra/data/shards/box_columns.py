"""The boxes of an image as columns of tables and shards have them."""

from collections.abc import Sequence
from typing import Any, Literal

BoxCorners = Literal["xyxy", "xywh"]


def parse_box(cell: Any, corners: BoxCorners) -> list[list[float]]:
    """The boxes of one image as XYXY; what is no box is left out.

    Args:
        cell: one box, or a list of them, or null.
        corners: what its numbers are.

    >>> parse_box([1, 2, 3, 4], "xywh"), parse_box([[1, 2, 3, 4], [0, 0, 9, 9]], "xyxy"), parse_box(None, "xyxy")
    ([[1, 2, 4, 6]], [[1, 2, 3, 4], [0, 0, 9, 9]], [])
    """
    if not isinstance(cell, list | tuple) or not cell:
        return []
    boxes = cell if isinstance(cell[0], list | tuple) else [cell]
    if corners == "xyxy":
        return [list(box) for box in boxes]
    return [[box[0], box[1], box[0] + box[2], box[1] + box[3]] if len(box) == 4 else list(box) for box in boxes]


def compute_area(box: Sequence[float]) -> float:
    """Of XYXY; none of what is no box.

    >>> compute_area([1, 1, 3, 4]), compute_area([1, 2])
    (6, 0.0)
    """
    return (box[2] - box[0]) * (box[3] - box[1]) if len(box) == 4 else 0.0


def make_object_cells(
    cells: Sequence[Any], boxes: Sequence[Sequence[Sequence[float]]], numbers: Sequence[Any]
) -> list[list[list[float]] | None]:
    """Cells of `boxes`, rows of four sides and class index; null where the classes are no numbers, or nothing is said.

    Args:
        cells: of boxes, as they are.
        boxes: the same as XYXY, see `parse_box`.
        numbers: the class index of each box.

    >>> make_object_cells([[[1, 2, 3, 4]], [], None], [[[1, 2, 4, 6]], [], []], [[5], [], None])
    [[[1, 2, 4, 6, 5]], [], None]
    """
    made: list[list[list[float]] | None] = []
    for cell, own, classes in zip(cells, boxes, numbers, strict=True):
        known = cell is not None and isinstance(classes, list) and len(classes) == len(own)
        whole = known and all(isinstance(number, int) for number in classes)
        made.append([[*box, number] for box, number in zip(own, classes, strict=True)] if whole else None)
    return made
