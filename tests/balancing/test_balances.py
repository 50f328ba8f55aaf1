"""What each balance's paper says of it, on gradients that can be checked by hand and on a known conflict."""

from functools import cache, partial

import pytest
import torch
from torch import Tensor

from candelabra.balancing import (
    MGDA,
    AlignedMTL,
    BalanceFactory,
    CAGrad,
    DynamicWeightAverage,
    Famo,
    Fixed,
    GradNorm,
    NashMTL,
    PCGrad,
    Random,
    StepPosition,
    Uncertainty,
    UPGrad,
)
from candelabra.errors import CandelabraError
from tests.balancing.problem import BALANCES, GRADIENTS, LOSSES, START, descend, jacobian, losses, solve

TWO = ["one", "two"]
CONFLICT = [[1.0, 0.0], [-0.5, 0.5]]
THREE = [[1.0, 0.0, 0.2], [-0.6, 0.5, 0.1], [0.1, -0.8, 0.5]]
ALL = torch.ones(2)
QUICK = {"cagrad": {"steps": 120, "rate": 0.03}}  # each step solves a convex program


@cache
def find_end(name: str) -> Tensor:
    """The point where a balance ends on the known conflict."""
    return descend(BALANCES[name], **QUICK.get(name, {}))[0]


def means(*values: float) -> Tensor:
    return torch.tensor(values)


def test_fixed_weights_are_a_weighted_sum() -> None:
    balance = Fixed(TWO, {"two": 0.5})
    assert float(balance(means(2, 3), means(4, 0), StepPosition())) == 3.5
    assert balance.constant.tolist() == [1.0, 0.5]
    with pytest.raises(CandelabraError, match="weight of two"):
        Fixed(TWO, {"two": -1})
    with pytest.raises(CandelabraError, match=r"balance\.weights\.tow.*two"):
        Fixed(TWO, {"tow": 1})


def test_uncertainty_ends_at_the_log_of_twice_the_loss() -> None:
    """d/ds (exp(-s) L + s / 2) = 0 at s = log 2 L: the variance of a Gaussian of that error."""
    balance = Uncertainty(TWO)
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.2)
    for _ in range(600):
        optimizer.zero_grad()
        balance(means(0.1, 5.0), ALL, StepPosition()).backward()
        optimizer.step()
    assert balance.weights().tolist() == pytest.approx([1 / 0.2, 1 / 10], rel=1e-3)
    optimizer.zero_grad()
    balance(means(2, 0), means(1, 0), StepPosition()).backward()
    assert balance.log_variances.grad is not None
    assert balance.log_variances.grad[1] == 0  # it had no label: it must not look solved


def test_dynamic_weight_average_follows_its_formula_and_favours_the_loss_that_falls_slowly() -> None:
    balance = DynamicWeightAverage(TWO, temperature=2.0)
    for epoch, (one, two) in enumerate([(4.0, 1.0), (2.0, 0.9)]):
        for _ in range(3):
            balance(means(one, two), means(8, 2), StepPosition(0, epoch))
            assert balance.weights().tolist() == [1.0, 1.0]
    balance(means(1, 1), ALL, StepPosition(0, 2))
    wanted = 2 * torch.softmax(torch.tensor([0.5, 0.9]) / 2, 0)
    assert balance.weights().tolist() == pytest.approx(wanted.tolist(), rel=1e-5)


def test_dynamic_weight_average_of_a_head_without_labels_stays() -> None:
    balance = DynamicWeightAverage(TWO)
    for epoch, counts in enumerate([ALL, ALL, means(1, 0), means(1, 0)]):
        balance(means(1.0, 2.0 / (epoch + 1)) * counts, counts, StepPosition(0, epoch))
    assert balance.last.tolist() == [1.0, 1.0]
    assert balance.before.tolist() == [1.0, 2.0]


def test_random_weights_average_one_and_are_a_function_of_seed_and_step() -> None:
    balance = Random(TWO, seed=1)
    drawn = []
    for step in range(400):
        balance(means(1, 1), ALL, StepPosition(step))
        drawn.append(balance.weights())
    assert torch.stack(drawn).sum(1).allclose(torch.tensor(2.0))
    assert torch.stack(drawn).mean(0).tolist() == pytest.approx([1, 1], abs=0.05)
    again = Random(TWO, seed=1)
    again(means(1, 1), ALL, StepPosition(7))
    assert torch.equal(again.weights(), drawn[7])
    assert len({tuple(each.tolist()) for each in drawn}) == 400


def test_famo_lets_losses_fall_at_one_relative_rate() -> None:
    """Fixed weights let the larger loss fall alone, and the smaller one rise."""
    start = losses(START)
    equal, _ = descend(Famo, steps=300)
    fixed, _ = descend(Fixed, steps=300)
    fell = [torch.log(start / losses(point)) for point in (equal, fixed)]
    assert (fell[0][0] - fell[0][1]).abs() < (fell[1][0] - fell[1][1]).abs() / 2
    assert fell[0].min() > fell[1].min() + 0.3
    balance = Famo(TWO)
    for _ in range(50):
        balance(means(1, 1), ALL, StepPosition())
        balance.after_step(means(0.5, 1.0), ALL)
    assert balance.weights()[1] > 1.2 > 0.8 > balance.weights()[0]
    kept = balance.logits.clone()
    balance(means(1, 0), means(1, 0), StepPosition())
    balance.after_step(means(0.5, 0), means(1, 0))
    assert balance.logits[1] == kept[1]


def test_gradnorm_makes_gradient_norms_equal_and_weights_average_one() -> None:
    _, balance = descend(partial(GradNorm, alpha=0.0), steps=600, rate=0.0)
    assert isinstance(balance, GradNorm)
    pulls = balance.weights() * jacobian(START).norm(dim=1)
    assert float(pulls[0] / pulls[1]) == pytest.approx(1, abs=0.1)
    assert float(balance.weights().sum()) == pytest.approx(2, rel=1e-5)


def test_gradnorm_gives_the_head_that_learns_slowly_the_larger_pull() -> None:
    balance = GradNorm(TWO, alpha=1.5)
    norms = torch.eye(2, dtype=torch.float64)
    for step in range(300):
        balance(norms, means(0.3 if step else 1.0, 1.0), ALL, StepPosition(step))
    assert balance.weights()[1] > 1.3 > 0.7 > balance.weights()[0]
    kept = balance.logits.clone()
    balance(norms, means(1.0, 0.0), means(1, 0), StepPosition())
    assert balance.logits[1] == kept[1]


def test_pcgrad_removes_the_conflicting_parts() -> None:
    _, joined = solve(PCGrad, CONFLICT)
    one, two = torch.tensor(CONFLICT, dtype=torch.float64)
    wanted = (one - (one @ two) / (two @ two) * two) + (two - (one @ two) / (one @ one) * one)
    assert joined.tolist() == pytest.approx(wanted.tolist())
    weights, _ = solve(PCGrad, [[1.0, 0.1], [0.2, 1.0]])
    assert weights.tolist() == [1, 1]  # nothing conflicts: the sum


def test_mgda_is_the_shortest_vector_of_the_hull() -> None:
    weights, joined = solve(MGDA, CONFLICT)
    one, two = torch.tensor(CONFLICT, dtype=torch.float64)
    share = float(((two - one) @ two) / ((one - two) @ (one - two)))  # closed form for two (Sener & Koltun 2018)
    assert (weights / 2).tolist() == pytest.approx([share, 1 - share], abs=1e-4)
    assert min(float(joined @ one), float(joined @ two)) > 0


@pytest.mark.parametrize("rows", [CONFLICT, THREE])
def test_cagrad_stays_in_a_ball_around_the_mean_and_helps_the_worst_head(rows: list[list[float]]) -> None:
    _, joined = solve(partial(CAGrad, c=0.4), rows)
    matrix = torch.tensor(rows, dtype=torch.float64)
    mean = matrix.mean(0)
    assert float((joined / len(rows) - mean).norm()) == pytest.approx(0.4 * float(mean.norm()), rel=1e-3)
    assert float((matrix @ joined / len(rows)).min()) > float((matrix @ mean).min())


@pytest.mark.parametrize("rows", [CONFLICT, THREE])
def test_nash_weights_solve_the_bargaining_problem_whatever_the_scale(rows: list[list[float]]) -> None:
    matrix = torch.tensor(rows, dtype=torch.float64)
    weights, joined = solve(NashMTL, rows)
    products = weights * (matrix @ matrix.T @ weights)  # G a = 1 / a, up to a common factor
    assert (products / products.mean()).tolist() == pytest.approx([1] * len(rows), abs=1e-4)
    scaled, same = solve(NashMTL, [[10 * x for x in rows[0]], *rows[1:]])
    assert torch.allclose(joined / joined.norm(), same / same.norm(), rtol=1e-4)
    assert float(scaled[0] / scaled[1]) == pytest.approx(float(weights[0] / weights[1]) / 10, rel=1e-4)


@pytest.mark.parametrize("rows", [CONFLICT, THREE])
def test_aligned_gradients_are_orthogonal_and_equally_long(rows: list[list[float]]) -> None:
    """The sum of an orthogonal system of equal length has the same product with each of its members."""
    matrix = torch.tensor(rows, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    aligned = s.min() * u @ v
    _, joined = solve(AlignedMTL, rows)
    assert joined.tolist() == pytest.approx(aligned.sum(0).tolist(), abs=1e-5)


@pytest.mark.parametrize("rows", [CONFLICT, THREE])
def test_upgrad_conflicts_with_no_head_and_agrees_with_torchjd(rows: list[list[float]]) -> None:
    matrix = torch.tensor(rows, dtype=torch.float64)
    _, joined = solve(UPGrad, rows)
    assert float((matrix @ joined).min()) >= -1e-5
    wanted = torch.stack([projected(matrix, row) for row in matrix]).sum(0)
    assert joined.tolist() == pytest.approx(wanted.tolist(), abs=1e-3)
    assert solve(UPGrad, [[1.0, 0.1], [0.2, 1.0]])[0].tolist() == pytest.approx([1, 1])


def projected(matrix: Tensor, vector: Tensor) -> Tensor:
    """Onto the cone {x: matrix @ x >= 0}, by Dykstra's alternating projections onto its half-spaces."""
    x, corrections = vector.clone(), torch.zeros_like(matrix)
    for _ in range(2000):
        for i, row in enumerate(matrix):
            moved = x + corrections[i]
            x = moved - min(0.0, float(row @ moved)) / (row @ row) * row
            corrections[i] = moved - x
    return x


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-4])
def test_a_head_with_small_gradients_is_served_as_the_paper_says(scale: float) -> None:
    rows = [CONFLICT[0], [scale * x for x in CONFLICT[1]]]
    matrix = torch.tensor(rows, dtype=torch.float64)
    for make in (MGDA, UPGrad, NashMTL):
        _, joined = solve(make, rows)
        assert float((matrix @ joined / matrix.norm(dim=1) / joined.norm()).min()) > -1e-3, make
    weights, _ = solve(NashMTL, rows)
    shares = weights * (matrix @ matrix.T @ weights)
    assert (shares / shares.mean()).tolist() == pytest.approx([1, 1], rel=1e-3)
    _, near = solve(partial(CAGrad, c=0.4), [[1.0, 0.0], [0.3 * scale, scale]])
    assert float(near[0]) >= 0.6  # twice the mean has 1, and c = 0.4 of that may go


def test_opposite_gradients_end_in_finite_weights() -> None:
    for make in GRADIENTS.values():
        weights, joined = solve(make, [[1.0, 0.0], [-1.0, 0.0]])
        assert weights.isfinite().all()
        assert float(joined.norm()) < 1e-2


@pytest.mark.parametrize("make", GRADIENTS.values(), ids=GRADIENTS)
def test_small_gradients_are_weighed_like_large_ones_and_absent_heads_left_out(make: BalanceFactory) -> None:
    large, _ = solve(make, THREE)
    small, _ = solve(make, [[1e-5 * x for x in row] for row in THREE])
    assert (small / small.sum()).tolist() == pytest.approx((large / large.sum()).tolist(), abs=2e-2)
    without, _ = solve(make, [*CONFLICT, [0.0, 0.0]], present=[1, 1, 0])
    pair, _ = solve(make, CONFLICT)
    assert without[:2].tolist() == pytest.approx(pair.tolist(), abs=1e-6)
    assert without[2] == 1
    broken, _ = solve(make, [[float("nan"), 1.0], [1.0, 1.0]])
    assert broken.tolist() == [1, 1]


@pytest.mark.parametrize("name", BALANCES)
def test_every_balance_ends_where_no_head_gains_without_loss_to_another(name: str) -> None:
    """Between the two wanted points; where exactly is the balance's choice."""
    point = find_end(name)
    assert abs(float(point[1])) < 0.15, point
    assert -1.05 < float(point[0]) < 1.05


@pytest.mark.parametrize("name", ["nash_mtl", "aligned_mtl", "mgda", "upgrad", "gradnorm", "famo"])
def test_where_fixed_weights_serve_the_loud_head_alone_these_leave_the_quiet_one_something(name: str) -> None:
    fixed, balanced = find_end("fixed"), find_end(name)
    assert float(fixed[0]) == pytest.approx(-0.98, abs=0.05)  # 100 : 1
    assert float(balanced[0]) > float(fixed[0]) + 0.2, balanced


def test_no_balance_of_losses_needs_a_gradient() -> None:
    for make in LOSSES.values():
        assert make(TWO)(means(1, 2), ALL, StepPosition()).shape == ()


def test_a_loss_that_mixed_precision_skips_leaves_no_trace() -> None:
    for broken in (float("nan"), float("inf")):
        famo, average, norm = Famo(TWO), DynamicWeightAverage(TWO), GradNorm(TWO)
        famo(means(1, broken), ALL, StepPosition())
        famo.after_step(means(1, broken), ALL)
        average(means(1, broken), ALL, StepPosition())
        norm(torch.eye(2, dtype=torch.float64), means(1, broken), ALL, StepPosition())
        for step in range(3):
            famo(means(1, 1), ALL, StepPosition(step, step))
            famo.after_step(means(0.9, 0.9), ALL)
            average(means(1, 1), ALL, StepPosition(step, step))
            norm(torch.eye(2, dtype=torch.float64), means(1, 1), ALL, StepPosition(step))
        for balance in (famo, average, norm):
            assert balance.weights().tolist() == pytest.approx([1, 1], abs=0.05)
            assert all(value.isfinite().all() for value in balance.state_dict().values())
