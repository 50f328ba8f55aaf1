"""MGDA: the shortest vector in the convex hull of the gradients."""

import numpy as np
import torch
from torch import Tensor

from candelabra.balancing.angles import measure_angles
from candelabra.balancing.balance import GradientBalance, StepPosition


class MGDA(GradientBalance):
    """The multiple-gradient descent algorithm (Désidéri 2012; Sener & Koltun 2018): the convex sum of least norm.

    It goes down for every head, and favours heads with small gradients. Weights average 1. (torchjd's Frank-Wolfe
    method ends early where norms differ by a hundred or more: in one step of seven, some head of three went up.)

    Args: see `Balance`.
    """

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        return self.weigh_conflicts(gramian, counts, lambda part: len(part) * find_min_norm_point(part))


def find_min_norm_point(gramian: Tensor) -> Tensor:
    """The w >= 0 of sum 1 and least w' G w.

    With G = R'R it is the direction of the w >= 0 of least |R w|^2 + (1 - sum w)^2, whatever its length: non-negative
    least squares.
    """
    from scipy.optimize import nnls

    norms, cosines = measure_angles(gramian)
    root = torch.linalg.cholesky(cosines).T.numpy()
    lengths = 1 / norms.numpy()
    found = lengths * nnls(np.vstack([root, lengths]), np.append(np.zeros(len(root)), 1.0))[0]
    return torch.from_numpy(found / found.sum())
