"""The shortest vector in the hull of the gradients."""

from collections.abc import Sequence

from torch import Tensor

from candelabra.balancing.balance import GradientBalance, Moment


class MGDA(GradientBalance):
    """The multiple-gradient descent algorithm (Désidéri 2012; Sener & Koltun 2018): the convex sum of least norm.

    It goes down for every head, and favours heads with small gradients. Weights average 1.

    Args: see `GradientBalance`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        from torchjd.aggregation import MGDAWeighting

        super().__init__(names)
        self.method = MGDAWeighting()

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        return self.conflict(gramian, counts, lambda part, _: len(part) * self.method(part))
