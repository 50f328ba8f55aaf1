"""Losses of the class of each pixel, for each sample."""

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.types import IGNORED


def focal_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None = None, gamma: float = 0.0) -> Tensor:
    """Cross-entropy of each pixel, times (1 - p)^gamma, where p is the probability of its class (Lin et al. 2017).

    Args:
        logits: (N, C, H, W).
        target: (N, H, W) int64 class index, 255 where ignored.
        weights: (C,) factors of the classes.
        gamma: how much less pixels count that are right already; 0 is the cross-entropy.

    Returns:
        (N, H, W), 0 where ignored.
    """
    entropy = F.cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="none")
    if not gamma:
        return entropy
    plain = entropy if weights is None else F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="none")
    return entropy * (1 - torch.exp(-plain)).clamp(min=1e-6) ** gamma  # the gradient of 0^gamma, gamma < 1, is infinite


def find_boundaries(target: Tensor, radius: int = 2) -> Tensor:
    """Pixels with another class within so many pixels, up and down, left and right.

    Args:
        target: (N, H, W) class index, 255 where ignored, which is no class.
        radius: in pixels.

    Returns:
        (N, H, W) bool; False where ignored.
    """
    known = target != IGNORED
    side = 2 * radius + 1
    highest = F.max_pool2d(target.where(known, -1).float().unsqueeze(1), side, 1, radius)
    lowest = -F.max_pool2d(-target.float().unsqueeze(1), side, 1, radius)  # 255 is more than any class
    return (highest != lowest).squeeze(1) & known


def lovasz_loss(logits: Tensor, target: Tensor) -> Tensor:
    """The Lovasz-softmax loss (Berman et al. 2018), a surrogate of 1 - IoU, over the classes that an image shows.

    Args:
        logits: (N, C, H, W).
        target: (N, H, W) int64 class index, 255 where ignored.

    Returns:
        (N,); 0 for an image without a known pixel.
    """
    from segmentation_models_pytorch.losses import LovaszLoss  # not above: most heads do without

    loss = LovaszLoss("multiclass", ignore_index=IGNORED)
    pairs = zip(logits.split(1), target.split(1), strict=True)
    return torch.stack([loss(one, wanted) if (wanted != IGNORED).any() else one.sum() * 0 for one, wanted in pairs])
