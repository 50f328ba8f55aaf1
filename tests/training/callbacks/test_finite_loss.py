"""A training that has diverged ends; the loss is read in few steps."""

from types import SimpleNamespace

import pytest
import torch

from candelabra.errors import CandelabraError
from candelabra.training.callbacks.finite_loss import FiniteLoss


def count_steps(losses: list[float], log_every: int, last: int = -1) -> int:
    """How many steps are made before the run ends."""
    callback, optimizer = FiniteLoss(), SimpleNamespace(param_groups=[{"lr": 0.1}])
    for batch, loss in enumerate(losses):
        trainer = SimpleNamespace(
            global_step=batch + 1, log_every_n_steps=log_every, is_last_batch=batch == last, optimizers=[optimizer]
        )
        try:
            callback.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, None, batch)
        except CandelabraError:
            return batch + 1
    return len(losses)


@pytest.mark.parametrize(("log_every", "ends"), [(1, 10), (5, 10), (10, 10), (20, 20)])
def test_a_run_ends_in_the_next_step_that_is_logged(log_every: int, ends: int) -> None:
    assert count_steps([1.0] * 3 + [float("nan")] * 30, log_every) == ends


def test_a_run_ends_with_a_short_epoch() -> None:
    assert count_steps([float("inf")] * 3, 50, last=2) == 3


def test_a_loss_that_is_finite_again_is_forgiven() -> None:
    assert count_steps(([float("nan")] * 4 + [1.0]) * 5, 1) == 25
