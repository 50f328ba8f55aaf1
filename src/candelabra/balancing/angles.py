"""Inner products of gradients as norms and cosines.

Solvers get cosines: torchjd treats gradients with a squared norm below 1e-4 as 0, and small gradients are lost beside
large ones.
"""

import torch
from torch import Tensor

_RIDGE = 1e-6  # gradients that are parallel, or opposite, have singular cosines


def compute_cosines(gramian: Tensor) -> Tensor:
    """(m, m) of the angles between gradients; NaN where one is 0."""
    norms = gramian.diagonal().sqrt()
    return gramian / torch.outer(norms, norms)


def measure_angles(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """(m, m) inner products -> (m,) norms and (m, m) cosines, these with a ridge."""
    return gramian.diagonal().sqrt(), compute_cosines(gramian) + _RIDGE * torch.eye(len(gramian), dtype=gramian.dtype)
