"""Fixed weights."""

from collections.abc import Mapping

import torch
from torch import Tensor

from candelabra.balancing.balance import Balance
from candelabra.errors import CandelabraError


class Fixed(Balance):
    """The weighted sum of the losses.

    Args:
        weights: a factor a head, 0 or more; heads that are not named have 1.
    """

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.factors = dict(weights or {})
        for head, factor in self.factors.items():
            if factor < 0:
                raise CandelabraError(f"The weight of {head} is {factor}; it must be 0 or more.")

    def forward(self, losses: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self.factors.get(head, 1.0) * loss for head, loss in losses.items()]).sum()

    def weights(self) -> dict[str, float]:
        return self.factors
