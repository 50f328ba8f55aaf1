"""CAGrad: the direction near the mean gradient that is best for the worst head."""

from collections.abc import Sequence

from torch import Tensor

from candelabra.balancing.balance import GradientBalance, StepPosition, check_not_negative
from candelabra.environment import require_package

_TINY = 1e-12  # torchjd returns 0 for all heads if the best direction is shorter; its default 1e-4 is reached too soon


class CAGrad(GradientBalance):
    """Conflict-averse gradient descent (Liu et al. 2021): of all directions near the mean, the best for the worst head.

    Args:
        names: see `Balance`.
        c: how far from the mean, as a share of its norm; 0 is the mean, which every value below 1 converges to.

    Raises:
        CandelabraError: the solver is not installed, or `c` is negative.
    """

    def __init__(self, names: Sequence[str], c: float = 0.4) -> None:
        require_package("cvxpy", "balance=cagrad", "take another balance")
        from torchjd.aggregation import CAGradWeighting

        super().__init__(names)
        self.method = CAGradWeighting(check_not_negative("c", c), _TINY)

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        return self.weigh_conflicts(gramian, counts, lambda part: len(part) * self.method(part))
