"""Weights of classes that balance rare and frequent ones."""

import torch
from torch import Tensor


def compute_class_weights(counts: Tensor) -> Tensor:
    """1 / log(1.02 + share) of each class (ENet, Paszke et al. 2016), scaled to a mean of 1 over all that is counted.

    Args:
        counts: (C,) samples or pixels of each class in a batch.

    Returns:
        (C,) float32.

    >>> compute_class_weights(torch.tensor([9, 1]))
    tensor([0.6777, 3.9008])
    """
    shares = counts / counts.sum().clamp(min=1)
    weights = 1 / torch.log(1.02 + shares)
    return weights / (weights * shares).sum().clamp(min=1e-6)
