"""Overlaps of boxes that broadcast; those of torchvision are of all pairs."""

import torch
from torch import Tensor


def compute_intersections(boxes: Tensor, others: Tensor) -> Tensor:
    """Shared area (...) of boxes (..., 4) and (..., 4), XYXY, of shapes that broadcast."""
    low, high = torch.maximum(boxes[..., :2], others[..., :2]), torch.minimum(boxes[..., 2:], others[..., 2:])
    return (high - low).clamp(min=0).prod(-1)


def compute_overlaps(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU (...) of boxes (..., 4) and (..., 4), XYXY, of shapes that broadcast."""
    shared = compute_intersections(boxes, others)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1) + (others[..., 2:] - others[..., :2]).prod(-1)
    return shared / (areas - shared).clamp(min=1e-6)
