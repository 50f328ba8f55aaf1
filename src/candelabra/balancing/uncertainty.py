"""Weights learnt as homoscedastic uncertainty."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from candelabra.balancing.balance import Balance
from candelabra.types import TARGETS


class Uncertainty(Balance):
    """exp(-s) * loss + s / 2 for each head, with s = log variance learnt (Kendall et al. 2018).

    A head without a labelled sample in a batch does not move its s.

    Args:
        heads: names of the heads.
    """

    def __init__(self, heads: Sequence[str] = TARGETS) -> None:
        super().__init__()
        self.log_variances = nn.ParameterDict({head: nn.Parameter(torch.zeros(())) for head in heads})

    def forward(self, losses: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> Tensor:
        terms = []
        for head, loss in losses.items():
            log_variance = self.log_variances[head]
            term = torch.exp(-log_variance) * loss + log_variance / 2
            terms.append(torch.where(counts[head] > 0, term, 0.0))
        return torch.stack(terms).sum()

    def weights(self) -> dict[str, float]:
        return {head: float(torch.exp(-value.detach())) for head, value in self.log_variances.items()}
