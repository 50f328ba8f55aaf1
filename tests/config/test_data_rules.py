"""Batch size and epochs by the number of images."""

import math

import pytest

from candelabra.config.data_rules import choose_epochs, choose_training_batch, count_steps, drop_open_options
from candelabra.data.sampling.train_order import BatchOrder, ShuffledOrder


@pytest.mark.parametrize(("images", "size"), [(1, 16), (204, 16), (1000, 16), (1001, 32), (10**6, 32)])
def test_small_sets_have_small_batches(images: int, size: int) -> None:
    assert choose_training_batch(images) == size


@pytest.mark.parametrize(
    ("images", "batch_images", "epochs"), [(1, 16, 40), (204, 16, 40), (400, 16, 20), (800, 16, 10), (10**6, 32, 10)]
)
def test_a_run_has_500_steps_within_10_to_40_epochs(images: int, batch_images: int, epochs: int) -> None:
    assert choose_epochs(images, batch_images) == epochs


@pytest.mark.parametrize("images", range(1, 70))
def test_steps_are_those_of_the_loader(images: int) -> None:
    assert count_steps(images, 16) == len(BatchOrder(ShuffledOrder(images, 0), 16))
    for accumulated in (2, 3):
        batches = len(BatchOrder(ShuffledOrder(images, 0), 16, steps=accumulated))
        assert count_steps(images, 16, accumulated) == math.ceil(batches / accumulated)  # Lightning steps on the last


def test_null_is_left_to_the_class_in_each_set_of_a_union() -> None:
    sets = {"a": {"batch_size": None, "size": 32}, "b": {"batch_size": 8}}
    found = drop_open_options({"data": {"batch_size": None, "sets": sets}})
    assert found == {"data": {"sets": {"a": {"size": 32}, "b": {"batch_size": 8}}}}
    assert drop_open_options({"data": None, "epochs": None}) == {"data": None, "epochs": None}
