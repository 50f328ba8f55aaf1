"""What schedulers make of the numbers of an optimizer, and of a metric."""

import pytest
import torch
from torch.optim import SGD, AdamW, Optimizer

from candelabra.optim.schedulers import one_cycle, plateau


def make_parameter() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(1))


@pytest.mark.parametrize(
    ("momentum", "highest", "lowest"), [(0.9, 0.95, 0.85), (0.0, 0.0, 0.0), (0.5, 0.75, 0.25), (0.99, 0.995, 0.985)]
)
@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_momentum_swings_around_what_was_typed(
    kind: type[Optimizer], momentum: float, highest: float, lowest: float
) -> None:
    if kind is SGD:
        optimizer: Optimizer = SGD([make_parameter()], lr=1.0, momentum=momentum)
    else:
        optimizer = AdamW([make_parameter()], lr=1.0, betas=(momentum, 0.999))
    scheduler = one_cycle(optimizer, 100)[0]["scheduler"]
    seen = []
    for _ in range(99):
        group = optimizer.param_groups[0]
        seen.append(group["momentum"] if kind is SGD else group["betas"][0])
        optimizer.step()
        scheduler.step()
    assert (max(seen), min(seen)) == pytest.approx((highest, lowest))
    assert seen[0] == highest  # to the last bit: runs with default numbers are those of before


@pytest.mark.parametrize("metric", [0.5, -0.5, 0.0])
def test_a_metric_that_stands_still_lowers_the_rate_whatever_its_sign(metric: float) -> None:
    scheduler = plateau(SGD([make_parameter()], lr=1.0), 100, warmup=0, factor=0.5, patience=1)[0]["scheduler"]
    for _ in range(5):
        scheduler.step(metric)
    assert scheduler.optimizer.param_groups[0]["lr"] == 0.25
