"""The loss of differences between neighbouring pixels."""

import torch
from torch import Tensor

_SCALES = 4


def map_gradient_loss(errors: Tensor, known: Tensor) -> Tensor:
    """Mean absolute difference of errors between neighbours, at four scales (MegaDepth, Li & Snavely 2018).

    Args:
        errors: (N, H, W).
        known: (N, H, W) bool; a pair with an unknown pixel does not count.

    Returns:
        (N,) sums over scales of the means.
    """
    total = torch.zeros(len(errors), device=errors.device)
    for scale in range(_SCALES):
        some, there = errors[:, :: 2**scale, :: 2**scale], known[:, :: 2**scale, :: 2**scale]
        for axis in (1, 2):
            length = some.shape[axis] - 1
            if length < 1:
                continue
            steps = some.narrow(axis, 1, length) - some.narrow(axis, 0, length)
            pairs = there.narrow(axis, 1, length) & there.narrow(axis, 0, length)
            total = total + torch.where(pairs, steps.abs(), 0.0).sum((1, 2)) / pairs.sum((1, 2)).clamp(min=1)
    return total
