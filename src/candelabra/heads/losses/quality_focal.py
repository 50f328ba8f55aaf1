"""The loss of scores that stand for the quality of a detection."""

import torch.nn.functional as F
from torch import Tensor


def quality_focal_loss(logits: Tensor, quality: Tensor, gamma: float = 2.0) -> Tensor:
    """Quality focal loss (Li et al. 2020): |quality - p| ** gamma times the cross-entropy, element by element.

    Args:
        logits: any shape.
        quality: wanted probabilities, of the same shape; with 0 and 1 alone this is the focal loss without its alpha.
        gamma: 0 or more; how little well-scored elements count.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (quality - logits.sigmoid()).abs() ** gamma * entropy
