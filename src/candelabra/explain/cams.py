"""Class activation maps: feature maps weighed by the gradients of a score.

Each takes a map (C, h, w) and the gradient of the score by it, and returns (h, w) before ReLU. torchcam has most of
them on models that it hooks itself; tests compare with it.
"""

import torch
from torch import Tensor


def compute_gradcam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): channels weighed by their mean gradient."""
    return (gradient.mean((1, 2), keepdim=True) * activation).sum(0)


def compute_gradcam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al. 2018): positions that raise the score count by their share of their channel."""
    squared = gradient.square()
    total = 2 * squared + (squared * gradient * activation).sum((1, 2), keepdim=True)
    share = torch.where(squared > 0, squared / (total + 1e-8), 0)
    return ((share * gradient.relu()).sum((1, 2), keepdim=True) * activation).sum(0)


def compute_hirescam(activation: Tensor, gradient: Tensor) -> Tensor:
    """HiRes-CAM (Draelos & Carin 2020): each position weighed by its own gradient."""
    return (gradient * activation).sum(0)


def compute_layercam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Layer-CAM (Jiang et al. 2021): as HiRes-CAM, with positive gradients alone; also for early stages."""
    return (gradient.relu() * activation).sum(0)


def compute_eigencam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Eigen-CAM (Muhammad & Yeasin 2020): the first principal component of the map; it knows nothing of the answer.

    Its sign, which the decomposition leaves open, makes most of it positive.
    """
    rows = activation.flatten(1).T
    _, _, directions = torch.linalg.svd(rows, full_matrices=False)
    component = rows @ directions[0]
    signed: Tensor = component.sum().sign() * component
    return signed.view(activation.shape[1:])
