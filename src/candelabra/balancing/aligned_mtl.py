"""Aligned-MTL: makes gradients orthogonal and equally long."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from candelabra.balancing.balance import GradientBalance, StepPosition


class AlignedMTL(GradientBalance):
    """Independent component alignment (Senushkin et al. 2023): a stable system of gradients, close to the given one.

    Args:
        names: see `Balance`.
        scale: the singular value that all principal components get: min, median or rmse.
    """

    def __init__(self, names: Sequence[str], scale: Literal["min", "median", "rmse"] = "min") -> None:
        from torchjd.aggregation import AlignedMTLWeighting

        super().__init__(names)
        self.method = AlignedMTLWeighting(scale_mode=scale)

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        return self.weigh_conflicts(gramian, counts, lambda part: len(part) * self.method(part))
