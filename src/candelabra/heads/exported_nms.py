"""From the outputs of a dense detector to rows, as `box_decoding` does, in operations that exporters translate."""

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from candelabra.data.targets.object_rows import CLASS_COLUMN
from candelabra.heads.box_decoding import MOST_CANDIDATES, PADDING
from candelabra.heads.box_overlaps import compute_overlaps
from candelabra.heads.picture_view import PictureView
from candelabra.types import Size

_ROUNDS = 24  # the longest chain of boxes of which each drops the next; see `suppress_overlaps`


def select_exported_detections(
    boxes: Tensor,
    scores: Tensor,
    size: Size,
    score_threshold: float,
    nms_threshold: float,
    max_detections: int,
) -> Tensor:
    """Does what `select_detections` does for a batch at once, without a shape that depends on values.

    Args:
        boxes: (N, L, 4) XYXY in pixels.
        scores: (N, L, C).
        size: (H, W) of the images, at which boxes are cut.
        score_threshold: least score.
        nms_threshold: the IoU above which the lower one of two boxes is dropped.
        max_detections: an image.

    Returns:
        (N, D, 6) rows of box, class and score, best first; filled up with rows of -1 to the same D for any image.
    """
    boxes = clip_boxes_to_image(boxes, size)
    wide = (boxes[..., 2:] > boxes[..., :2]).all(-1, keepdim=True)
    certain = torch.where((scores >= score_threshold) & wide, scores, PADDING).flatten(1)
    classes, pairs = scores.shape[2], scores.shape[1] * scores.shape[2]
    certain, best = certain.topk(min(max(MOST_CANDIDATES, max_detections), pairs), dim=1)
    place, number = best // classes, (best % classes).to(boxes)
    chosen = boxes.gather(1, place[..., None].expand(-1, -1, 4))
    kept = suppress_overlaps(chosen, number, nms_threshold) & (certain > PADDING)
    rows = torch.cat([chosen, number[..., None], certain[..., None]], 2)
    # Kept rows come first, in their order: the key of a row is its place, that of a dropped one is beyond all places.
    count = rows.shape[1]
    order = torch.arange(count, device=rows.device).expand_as(certain) + count * (~kept).long()
    first = (-order).topk(min(max_detections, count), dim=1).indices
    rows = torch.where(kept[..., None], rows, PADDING)
    return rows.gather(1, first[..., None].expand(-1, -1, rows.shape[2]))


def restore_rows(rows: Tensor, view: PictureView) -> Tensor:
    """Rows (N, D, 6 or more) in pixels of the pictures, cut at their borders; those outside are rows of -1."""
    boxes = view.restore_boxes(rows[..., :CLASS_COLUMN])
    there = (boxes[..., 2:] > boxes[..., :2]).all(-1, keepdim=True) & (rows[..., CLASS_COLUMN, None] >= 0)
    return torch.where(there, torch.cat([boxes, rows[..., CLASS_COLUMN:]], -1), PADDING)


def suppress_overlaps(boxes: Tensor, numbers: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression, (N, K) bool: which boxes are kept.

    A box is kept unless a kept one before it overlaps it. Each round decides all boxes at once from the round before,
    which is right for every box after as many rounds as its chain is long: a box that drops one that would have
    dropped the next, and so on.

    Args:
        boxes: (N, K, 4) XYXY, best first.
        numbers: (N, K) of classes; boxes of different ones do not suppress each other.
        threshold: the IoU above which the lower one of two boxes is dropped.
    """
    overlaps = compute_overlaps(boxes[:, :, None], boxes[:, None])  # (N, K, K)
    earlier = torch.ones(boxes.shape[1], boxes.shape[1], device=boxes.device).tril(-1) > 0
    drops = ((overlaps > threshold) & (numbers[:, :, None] == numbers[:, None]) & earlier).to(boxes)
    kept = torch.ones_like(numbers)
    for _ in range(_ROUNDS):
        kept = (torch.matmul(drops, kept[..., None])[..., 0] < 0.5).to(boxes)
    return kept > 0.5
