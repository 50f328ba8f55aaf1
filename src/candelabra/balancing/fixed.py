"""Fixed weights."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from candelabra.balancing.balance import LossBalance, StepPosition
from candelabra.errors import CandelabraError, list_nearest


class Fixed(LossBalance):
    """The weighted sum of the losses.

    Args:
        names: see `Balance`.
        weights: head name -> factor, 0 or more; 1 if not given.

    Raises:
        CandelabraError: a weight is negative, or a head of that name does not exist.
    """

    has_fixed_weights: ClassVar[bool] = True

    def __init__(self, names: Sequence[str], weights: Mapping[str, float] | None = None) -> None:
        super().__init__(names)
        given = dict(weights or {})
        for head, factor in given.items():
            if head not in names:
                raise CandelabraError(
                    f"balance.weights.{head}: there is no such head; allowed are {list_nearest(head, names)}."
                )
            if factor < 0:
                raise CandelabraError(f"The weight of {head} is {factor}; it must be 0 or more.")
        self.constant = torch.tensor([float(given.get(head, 1.0)) for head in names])

    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        return (self.constant * losses).sum()

    def weights(self) -> Tensor:
        return self.constant
