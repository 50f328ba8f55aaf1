"""Labels that leave their image: what is outside of it is cut off, or counts as not labelled."""

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment

_SLACK = 1.0  # pixels: those who count from 1 and those who count from 0 differ by so much, which is not worth a word
Floats = NDArray[np.float32]


def clip_boxes(boxes: Floats, sizes: Floats) -> Floats:
    """Boxes cut at the borders of their images; NaN where nothing is left.

    Args:
        boxes: (n, 4) XYXY pixels, NaN where not labelled.
        sizes: (n, 2) width and height.

    >>> clip_boxes(np.array([[-5, 2, 4, 9], [12, 0, 15, 5]], np.float32), np.full((2, 2), 8, np.float32)).tolist()
    [[0.0, 2.0, 4.0, 8.0], [nan, nan, nan, nan]]
    """
    cut = np.clip(boxes, 0, np.tile(sizes, 2)).astype(np.float32)
    area = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])  # false where anything is NaN
    return np.where(area[:, None], cut, np.float32(np.nan))


def drop_outside_points(points: Floats, sizes: Floats) -> Floats:
    """Points, those outside of their image as NaN.

    Args:
        points: (n, K, 2) XY pixels, NaN where not labelled.
        sizes: (n, 2) width and height.
    """
    there = ((points >= 0) & (points <= sizes[:, None])).all(2, keepdims=True)
    return np.where(there, points, np.float32(np.nan)).astype(np.float32)


def find_box_issues(given: Floats, used: Floats) -> list[DataIssue]:
    """What `clip_boxes` changed in one box (4,)."""
    if np.isnan(given).any():
        return []
    detail = f"xyxy {' '.join(f'{side:g}' for side in given)}"
    if np.isnan(used).any():
        return [DataIssue("", "box outside the image, or of no area in it", IssueTreatment.UNLABELLED, detail)]
    if np.abs(given - used).max() <= _SLACK:
        return []
    return [DataIssue("", "box partly outside the image, cut", IssueTreatment.REPAIRED, detail)]


def find_point_issues(given: Floats, used: Floats) -> list[DataIssue]:
    """What `drop_outside_points` changed in the points (K, 2) of one image."""
    known = np.isfinite(given).all(1)
    lost = int((known & np.isnan(used).any(1)).sum())
    broken = int((~known & ~np.isnan(given).all(1)).sum())
    odd = []
    if lost:
        odd.append(
            DataIssue("", "keypoints outside the image", IssueTreatment.UNLABELLED, f"{lost} of {int(known.sum())}")
        )
    if broken:
        odd.append(DataIssue("", "keypoints of which a number is missing", IssueTreatment.UNLABELLED, f"{broken}"))
    return odd
