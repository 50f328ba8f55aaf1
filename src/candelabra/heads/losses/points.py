"""Losses of coordinates, element by element: errors in image sides in, values of about 1 at an error of 0.1 out."""

import math

import torch
from torch import Tensor, nn

from candelabra.errors import CandelabraError


class SmoothL1(nn.Module):
    """Quadratic below `beta`, linear above (Girshick 2015); errors in image sides, in units of a tenth of a side.

    Args:
        beta: in image sides, above 0.
    """

    def __init__(self, beta: float = 0.01) -> None:
        super().__init__()
        if beta <= 0:
            raise CandelabraError(f"beta={beta} must be above 0, in shares of the image's side (0.01, say).")
        self.beta = beta

    def forward(self, errors: Tensor) -> Tensor:
        size = errors.abs()
        return 10 * torch.where(size < self.beta, size.square() / (2 * self.beta), size - self.beta / 2)


class Wing(nn.Module):
    """Logarithmic below `width`, so that small errors matter; linear above (Feng et al. 2018).

    Args:
        width: in image sides.
        epsilon: curvature of the logarithmic part, in image sides.
    """

    def __init__(self, width: float = 0.04, epsilon: float = 0.008) -> None:
        super().__init__()
        if width <= 0 or epsilon <= 0:
            raise CandelabraError(
                f"width={width} and epsilon={epsilon} must be above 0, in shares of the image's side."
            )
        self.width, self.epsilon = width, epsilon
        self.offset = width - width * math.log1p(width / epsilon)

    def forward(self, errors: Tensor) -> Tensor:
        size = errors.abs()
        inside = self.width * torch.log1p(size / self.epsilon)
        return 10 * torch.where(size < self.width, inside, size - self.offset)
