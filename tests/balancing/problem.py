"""A problem with a known conflict: one shared point, heads that want it elsewhere, on scales far apart."""

from collections.abc import Sequence

import torch
from torch import Tensor

from candelabra.balancing import (
    MGDA,
    AlignedMTL,
    Balance,
    BalanceFactory,
    CAGrad,
    DynamicWeightAverage,
    Famo,
    Fixed,
    GradientBalance,
    GradNorm,
    NashMTL,
    PCGrad,
    Random,
    StepPosition,
    Uncertainty,
    UPGrad,
)

LOSSES: dict[str, BalanceFactory] = {
    "fixed": Fixed,
    "uncertainty": Uncertainty,
    "dwa": DynamicWeightAverage,
    "random": Random,
    "famo": Famo,
}
GRADIENTS: dict[str, BalanceFactory] = {
    "gradnorm": GradNorm,
    "pcgrad": PCGrad,
    "cagrad": CAGrad,
    "mgda": MGDA,
    "nash_mtl": NashMTL,
    "aligned_mtl": AlignedMTL,
    "upgrad": UPGrad,
}
BALANCES = {**LOSSES, **GRADIENTS}
WANTED = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # where each head wants the point; between them nobody loses
SCALES = torch.tensor([1.0, 100.0])  # of the heads' losses
START = torch.tensor([0.9, 2.0])


def losses(point: Tensor, scales: Tensor = SCALES) -> Tensor:
    """(2,) scaled squared distances; a floor keeps logarithms finite."""
    return scales * ((point - WANTED) ** 2).sum(1) + 1e-3


def jacobian(point: Tensor, scales: Tensor = SCALES) -> Tensor:
    """(2, 2) the gradient of each loss."""
    return 2 * scales[:, None] * (point - WANTED)


def descend(
    make: BalanceFactory, steps: int = 600, rate: float = 5e-3, scales: Tensor = SCALES, start: Tensor = START
) -> tuple[Tensor, Balance]:
    """The point after plain steps of one length (so that scales of losses do not decide it), and the balance."""
    balance = make(["one", "two"])
    counts = torch.ones(2)
    point = start.clone()
    learnt = torch.optim.SGD(balance.parameters(), lr=0.05) if list(balance.parameters()) else None
    for step in range(steps):
        moment = StepPosition(step, step // 50)
        rows, values = jacobian(point, scales), losses(point, scales)
        if isinstance(balance, GradientBalance):
            _, weights = balance((rows @ rows.T).double(), values, counts, moment)
            weights = weights.float()
        else:
            leaf = values.clone().requires_grad_()
            joint = balance(leaf, counts, moment)
            joint.backward()
            assert leaf.grad is not None
            weights = leaf.grad
            if learnt:
                learnt.step()
                learnt.zero_grad()
        direction = weights @ rows
        point = point - rate * direction / direction.norm().clamp(min=1.0)
        balance.after_step(losses(point, scales), counts)
    return point, balance


def solve(make: BalanceFactory, rows: Sequence[Sequence[float]], present: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Weights of the rows of a Jacobian, and what they sum to."""
    matrix = torch.tensor(rows, dtype=torch.float64)
    counts = torch.ones(len(rows)) if not present else torch.tensor([float(n) for n in present])
    balance = make([str(i) for i in range(len(rows))])
    _, weights = balance(matrix @ matrix.T, torch.ones(len(rows)), counts, StepPosition())
    return weights.double(), weights.double() @ matrix
