"""Inner products of gradients as norms and cosines; beside large gradients, solvers lose the small ones otherwise."""

import torch
from torch import Tensor

RIDGE = 1e-6  # gradients that are parallel, or opposite, have singular cosines


def cosines(gramian: Tensor) -> Tensor:
    """(m, m) of the angles between gradients; NaN where one is 0."""
    norms = gramian.diagonal().sqrt()
    return gramian / torch.outer(norms, norms)


def angles(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """(m, m) inner products -> (m,) norms and (m, m) cosines, these with a ridge."""
    return gramian.diagonal().sqrt(), cosines(gramian) + RIDGE * torch.eye(len(gramian), dtype=gramian.dtype)
