"""Nash-MTL: gradients weighed as a bargaining game."""

import torch
from torch import Tensor

from candelabra.balancing.angles import measure_angles
from candelabra.balancing.balance import GradientBalance, StepPosition

_ROUNDS = 100  # 25 were enough for a thousand times between the norms of four heads
_CLOSE = 1e-10


class NashMTL(GradientBalance):
    """Multi-task learning as a bargaining game (Navon et al. 2022): a step that no head can better alone.

    Weights w with G w = 1 / w, for G the inner products: those of least w' G w / 2 - sum log w, which is convex. (The
    authors' sequence of programs, as in torchjd, leaves the bargain where norms differ by a hundred or more, ends in
    weights of 0, and needs a solver under the GPL.)

    Args: see `Balance`.
    """

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        return self.weigh_conflicts(gramian, counts, solve_nash_bargain)


def solve_nash_bargain(gramian: Tensor) -> Tensor:
    """By Newton's method, damped as logarithms allow (Nesterov & Nemirovskii 1994): it stays above 0 and converges."""
    norms, cosines = measure_angles(gramian)
    found = torch.ones_like(norms)
    for _ in range(_ROUNDS):
        slope = cosines @ found - 1 / found
        step = torch.linalg.solve(cosines + torch.diag(found**-2), slope)
        decrement = (slope @ step).clamp(min=0).sqrt()
        found = found - step / (1 + decrement)
        if decrement < _CLOSE:
            break
    return found / norms
