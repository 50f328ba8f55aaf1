"""Contract of a balance: weights of losses, or of their gradients."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from candelabra.balancing import Balance, GradientBalance, StepPosition
from candelabra.contracts.options import list_options

every_balance = pytest.mark.parametrize("build", list_options("balance").values(), ids=list_options("balance"))
BuildBalance = Callable[[Sequence[str]], Balance]
_NAMES = ("one", "two", "three")


def _step(balance: Balance, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
    """(m,) the factors of losses, or of gradients in the backbone, of one step."""
    assert balance.needs_gradients == isinstance(balance, GradientBalance)
    if isinstance(balance, GradientBalance):
        rows = torch.randn(len(losses), 8, dtype=torch.float64) * (counts > 0)[:, None]
        return balance(rows @ rows.T, losses, counts, position)[1]  # type: ignore[no-any-return]
    leaf = losses.clone().requires_grad_()
    balance(leaf, counts, position).backward()
    assert leaf.grad is not None
    if balance.needs_losses_after_step:
        balance.after_step(losses * 0.9, counts)
    return leaf.grad


@every_balance
def test_factors_are_finite_also_where_a_head_has_no_label(build: BuildBalance) -> None:
    balance = build(_NAMES)
    assert balance.names == _NAMES
    assert balance.constant.shape == (3,)
    for step, counts in enumerate([[4.0, 4, 4], [4, 0, 4], [0, 0, 4], [2, 3, 1]]):
        there = torch.tensor(counts)
        losses = torch.tensor([1.0, 20.0, 0.3]) * (there > 0)
        factors = _step(balance, losses, there, StepPosition(step, step))
        assert factors.shape == (3,)
        assert factors.isfinite().all()
        weights = balance.weights()
        assert weights.shape == (3,)
        assert weights.isfinite().all()
        assert not weights.requires_grad or weights.grad_fn is not None


@every_balance
def test_its_state_is_in_its_state_dict(build: BuildBalance) -> None:
    first, second = build(_NAMES), build(_NAMES)
    losses, counts = torch.tensor([1.0, 20.0, 0.3]), torch.ones(3)
    for step in range(4):
        _step(first, losses / (1 + step), counts, StepPosition(step, step))
    second.load_state_dict(first.state_dict())
    found = []
    for balance in (first, second):
        torch.manual_seed(1)
        found.append(_step(balance, losses, counts, StepPosition(4, 4)))
    torch.testing.assert_close(found[0], found[1])


@every_balance
def test_one_head_keeps_a_positive_weight(build: BuildBalance) -> None:
    factors = _step(build(("only",)), torch.tensor([2.0]), torch.ones(1), StepPosition())
    assert float(factors[0]) > 0
