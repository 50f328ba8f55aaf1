"""The best worst head near the mean gradient."""

from collections.abc import Sequence

from torch import Tensor

from candelabra.balancing.balance import GradientBalance, Moment, not_negative
from candelabra.balancing.extras import needed


class CAGrad(GradientBalance):
    """Conflict-averse gradient descent (Liu et al. 2021): of all directions near the mean, the best for the worst head.

    Args:
        names: see `GradientBalance`.
        c: how far from the mean, as a share of its norm; 0 is the mean, which every value below 1 converges to.
    """

    def __init__(self, names: Sequence[str], c: float = 0.4) -> None:
        from torchjd.aggregation import CAGradWeighting

        super().__init__(names)
        with needed("cagrad"):
            self.method = CAGradWeighting(not_negative("c", c))

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        return self.conflict(gramian, counts, lambda part, _: len(part) * self.method(part))
