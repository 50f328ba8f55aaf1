"""Random weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from candelabra.balancing.balance import LossBalance, StepPosition


class Random(LossBalance):
    """m * softmax of normal numbers, drawn in each step (Lin et al. 2022); a baseline.

    Args:
        names: see `Balance`.
        seed: seed and step determine the weights, so they are equal on all ranks and after a resume.
    """

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        super().__init__(names)
        self.seed = seed
        self.drawn = torch.ones(len(self.names))

    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + position.step)
        self.drawn = len(self.names) * torch.softmax(torch.randn(len(self.names), generator=generator), 0)
        return (self.drawn.to(losses.device) * losses).sum()

    def weights(self) -> Tensor:
        return self.drawn
