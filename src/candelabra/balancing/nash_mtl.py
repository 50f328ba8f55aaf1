"""The gradients bargain."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from candelabra.balancing.balance import GradientBalance, Moment, above_zero
from candelabra.balancing.extras import needed


class NashMTL(GradientBalance):
    """Multi-task learning as a bargaining game (Navon et al. 2022): a step that no head can better alone.

    Args:
        names: see `GradientBalance`.
        rounds: of the solver, which begins at the weights of the step before; these are in the checkpoint.
    """

    def __init__(self, names: Sequence[str], rounds: int = 20) -> None:
        from torchjd.aggregation import MGDAWeighting, NashMTL

        super().__init__(names)
        with needed("nash"):
            # One for each number of heads that may be there; 0 leaves the length of the step to the optimizer.
            self.methods = [NashMTL(k + 1, 0.0, 1, int(above_zero("rounds", rounds))) for k in range(len(self.names))]
        self.start = MGDAWeighting()
        self.register_buffer("bargained", torch.ones(len(self.names)))
        self.bargained: Tensor

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, moment: Moment) -> tuple[Tensor, Tensor]:
        return self.conflict(gramian, counts, self._solve)

    def _solve(self, part: Tensor, which: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(part)
        weighting = self.methods[len(part) - 1].weighting
        start = self.bargained.cpu()[which].double()
        if (part @ start <= 0).any():  # the solver would stay there for good; these go down for every head
            start = len(part) * self.start(part)
        weighting.prvs_alpha = start.numpy()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="cvxpy")  # of how it could be faster; solvers' own doubts
            warnings.filterwarnings("ignore", message=".*not DPP|.*inaccurate")
            found: Tensor = weighting(vectors * values.clamp(min=0).sqrt())  # any rows with these inner products
        self.bargained[which.to(self.bargained.device)] = found.to(self.bargained)
        return found
