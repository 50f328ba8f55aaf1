"""Inner products of gradients as norms and cosines; beside large gradients, solvers lose the small ones otherwise."""

import torch
from torch import Tensor

RIDGE = 1e-6  # gradients that are parallel, or opposite, have singular cosines


def angles(gramian: Tensor) -> tuple[Tensor, Tensor]:
    """(m, m) inner products -> (m,) norms and (m, m) cosines, these with a ridge."""
    norms = gramian.diagonal().sqrt()
    return norms, gramian / torch.outer(norms, norms) + RIDGE * torch.eye(len(norms), dtype=gramian.dtype)
