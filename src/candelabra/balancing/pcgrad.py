"""PCGrad: projects conflicting parts of gradients away."""

from collections.abc import Sequence

import torch
from torch import Tensor

from candelabra.balancing.balance import GradientBalance, StepPosition


class PCGrad(GradientBalance):
    """Gradient surgery (Yu et al. 2020): each gradient loses its part along those it conflicts with, in random order.

    Args:
        names: see `Balance`.
        seed: seed and step determine the order.
    """

    def __init__(self, names: Sequence[str], seed: int = 0) -> None:
        from torchjd.aggregation import PCGradWeighting

        super().__init__(names)
        self.seed, self.method = seed, PCGradWeighting()

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(self.seed * 1_000_003 + position.step)
            return self.weigh_conflicts(gramian, counts, lambda part: self.method(part))
