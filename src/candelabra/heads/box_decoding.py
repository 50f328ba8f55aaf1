"""From the outputs of a dense detector to the rows of its detections."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision.ops import batched_nms, clip_boxes_to_image

MOST_CANDIDATES = 1000  # pairs of location and class an image that suppression sees, as in torchvision's detectors
PADDING = -1.0


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    size: tuple[int, int],
    score_threshold: float,
    nms_threshold: float,
    max_detections: int,
) -> Tensor:
    """Suppresses boxes that overlap a better one of the same class.

    Args:
        boxes: (N, L, 4) XYXY in pixels.
        scores: (N, L, C).
        size: (H, W) of the images, at which boxes are cut.
        score_threshold: least score.
        nms_threshold: the IoU above which the lower one of two boxes is dropped.
        max_detections: an image.

    Returns:
        (N, D, 6) rows of box, class and score, best first; filled up with rows of -1.
    """
    boxes = clip_boxes_to_image(boxes, size)
    kept = [
        _select_of_image(each, own, score_threshold, nms_threshold, max_detections)
        for each, own in zip(boxes, scores, strict=True)
    ]
    return pad_sequence(kept, batch_first=True, padding_value=PADDING)


def _select_of_image(
    boxes: Tensor, scores: Tensor, score_threshold: float, nms_threshold: float, max_detections: int
) -> Tensor:
    """(L, 4) and (L, C) -> (D, 6)."""
    wide = (boxes[:, 2:] > boxes[:, :2]).all(1)
    place, number = torch.nonzero((scores >= score_threshold) & wide[:, None], as_tuple=True)
    certain = scores[place, number]
    most = max(MOST_CANDIDATES, max_detections)
    if len(certain) > most:
        certain, best = certain.topk(most)
        place, number = place[best], number[best]
    found = batched_nms(boxes[place], certain, number, nms_threshold)[:max_detections]
    return torch.cat([boxes[place[found]], number[found, None].to(boxes), certain[found, None]], 1)
