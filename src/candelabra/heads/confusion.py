"""Which class was found where an object of which class is."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import box_iou

from candelabra.data.targets.object_rows import CLASS_COLUMN, IGNORED_SCORE, SCORE_COLUMN
from candelabra.heads.box_overlaps import compute_intersections

_SAME = 0.5  # IoU


def count_confusion(found: Tensor, wanted: Tensor, classes: int) -> Tensor:
    """Counts the objects of an image by true class and found class.

    Each object goes with one detection at most, pairs of the highest IoU first, whatever their classes.

    Args:
        found: (D, 6) detections; see `BoxesTarget`.
        wanted: (K, 6) objects, and regions of score 0, in which detections of their class are no mistake.
        classes: their number.

    Returns:
        (classes + 1, classes + 1) float32; the last row is what is no object, the last column what was not found.
    """
    regions, objects = (wanted[(wanted[:, SCORE_COLUMN] <= IGNORED_SCORE) == ignored] for ignored in (True, False))
    true, named = objects[:, CLASS_COLUMN].long().tolist(), found[:, CLASS_COLUMN].long().tolist()
    overlaps = box_iou(objects[:, :CLASS_COLUMN], found[:, :CLASS_COLUMN])
    return fill_confusion(overlaps, true, named, _find_excused(found, regions), classes).to(found.device)


def fill_confusion(
    overlaps: Tensor, true: Sequence[int], named: Sequence[int], excused: Sequence[bool], classes: int
) -> Tensor:
    """Counts as `count_confusion` does.

    Args:
        overlaps: (K, D) IoU of objects and detections.
        true: (K,) class of each object.
        named: (D,) class of each detection.
        excused: (D,) whether a detection is no mistake where it is no object.
        classes: their number.
    """
    matrix = torch.zeros(classes + 1, classes + 1)
    first, second = torch.nonzero(overlaps >= _SAME, as_tuple=True)
    order = overlaps[first, second].argsort(descending=True, stable=True)
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(first[order].tolist(), second[order].tolist(), strict=True):
        if row not in matches and column not in taken:
            matches[row] = column
            taken.add(column)
    for row, number in enumerate(true):
        matrix[number, named[matches[row]] if row in matches else classes] += 1
    for column, number in enumerate(named):
        if column not in taken and not excused[column]:
            matrix[classes, number] += 1
    return matrix


def _find_excused(found: Tensor, regions: Tensor) -> list[bool]:
    """Whether each detection lies, by half of its area or more, in an ignored region of its class."""
    boxes, others = found[:, None, :CLASS_COLUMN], regions[None, :, :CLASS_COLUMN]
    inside = compute_intersections(boxes, others) >= _SAME * (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    alike = found[:, None, CLASS_COLUMN] == regions[None, :, CLASS_COLUMN]
    excused: list[bool] = (inside & alike).any(1).tolist()
    return excused
