"""UPGrad: a direction that conflicts with no head."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from candelabra.balancing.angles import measure_angles
from candelabra.balancing.balance import GradientBalance, StepPosition


class UPGrad(GradientBalance):
    """Unconflicting projection of gradients (Quinton & Rey 2024): each goes where none conflicts, then all are joined.

    Where nothing conflicts, weights are 1.

    Args: see `Balance`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from torchjd.aggregation import UPGradWeighting

        super().__init__(names)
        self.method = UPGradWeighting(projector=cast(Any, project_onto_cone))

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        return self.weigh_conflicts(gramian, counts, lambda part: len(part) * self.method(part))


def project_onto_cone(preferences: Tensor, gramian: Tensor) -> Tensor:
    """The v >= u of least v' G v for each row u of preferences (..., m), as torchjd asks of a projector.

    Its own needs quadprog, whose licence is the GPL: with G = A'A this is non-negative least squares.
    """
    from scipy.optimize import nnls

    norms, cosines = (values.numpy() for values in measure_angles(gramian.double()))
    root = np.linalg.cholesky(cosines).T
    rows = norms * preferences.double().numpy().reshape(-1, len(gramian))
    found = np.stack([row + nnls(root, -root @ row)[0] for row in rows]) / norms
    return torch.from_numpy(found).to(preferences).view_as(preferences)
