"""One box of an image where a data set has several."""

from collections.abc import Sequence
from typing import Any, Literal

Rule = Literal["largest", "first", "single"]
Corners = Literal["xyxy", "xywh"]


def boxed(cell: Any, corners: Corners) -> list[list[float]]:
    """The boxes of one image as XYXY; what is no box is left out.

    Args:
        cell: one box, or a list of them, or null.
        corners: what its numbers are.

    >>> boxed([1, 2, 3, 4], "xywh"), boxed([[1, 2, 3, 4], [0, 0, 9, 9]], "xyxy"), boxed(None, "xyxy")
    ([[1, 2, 4, 6]], [[1, 2, 3, 4], [0, 0, 9, 9]], [])
    """
    if not isinstance(cell, list | tuple) or not cell:
        return []
    boxes = cell if isinstance(cell[0], list | tuple) else [cell]
    if corners == "xyxy":
        return [list(box) for box in boxes]
    return [[box[0], box[1], box[0] + box[2], box[1] + box[3]] if len(box) == 4 else list(box) for box in boxes]


def chosen(boxes: Sequence[Sequence[float]], rule: Rule) -> int | None:
    """Which of the boxes of an image is taken; null for none.

    >>> several = [[0, 0, 1, 1], [0, 0, 2, 2]]
    >>> chosen(several, "largest"), chosen(several, "first"), chosen(several, "single"), chosen([], "first")
    (1, 0, None, None)
    """
    if not boxes or (rule == "single" and len(boxes) > 1):
        return None
    if rule != "largest" or any(len(box) != 4 for box in boxes):
        return 0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in boxes]
    return areas.index(max(areas))
