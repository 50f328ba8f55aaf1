"""The loss of how two boxes overlap, for boxes that a network may give inside out."""

import torch
from torch import Tensor


def giou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """1 - GIoU (Rezatofighi et al. 2019) of each pair, (n, 4) and (n, 4) XYXY -> (n,) from 0 (equal) to 2 (far apart).

    A box whose right edge is left of its left one has no area. torchvision's loss gives it a negative one: it is then
    below any bound where that area cancels the other's, and regression on features that vary falls into it.

    Args:
        boxes: in whatever order their edges are.
        others: boxes with an area.

    >>> giou_loss(torch.tensor([[0.9, 0.2, 0.2, 0.5]]), torch.tensor([[0.35, 0.2, 0.65, 0.5]])).tolist()
    [1.0]
    """
    shared = _area(torch.maximum(boxes[:, :2], others[:, :2]), torch.minimum(boxes[:, 2:], others[:, 2:]))
    union = _area(boxes[:, :2], boxes[:, 2:]) + _area(others[:, :2], others[:, 2:]) - shared
    hull = _area(torch.minimum(boxes[:, :2], others[:, :2]), torch.maximum(boxes[:, 2:], others[:, 2:]))
    tiny = 1e-7
    return 1 - shared / (union + tiny) + (hull - union) / (hull + tiny)


def _area(low: Tensor, high: Tensor) -> Tensor:
    width, height = (high - low).clamp(min=0).unbind(1)
    return width * height  # the gradient of prod counts zeros on the host: a GPU would be waited for
