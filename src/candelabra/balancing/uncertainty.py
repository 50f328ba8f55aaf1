"""Weights learnt as homoscedastic uncertainty."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from candelabra.balancing.balance import LossBalance, StepPosition


class Uncertainty(LossBalance):
    """exp(-s) * loss + s / 2 for each head, with s = log variance learnt (Kendall et al. 2018).

    A head without a labelled sample in a batch gives its s no gradient, but the optimizer's momentum may change it.

    Args: see `Balance`.
    """

    needs_positive_losses: ClassVar[bool] = True

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.log_variances = nn.Parameter(torch.zeros(len(self.names)))

    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        terms = torch.exp(-self.log_variances) * losses + self.log_variances / 2
        return torch.where(counts > 0, terms, 0.0).sum()

    def weights(self) -> Tensor:
        return torch.exp(-self.log_variances.detach())
