"""Batches of P classes with K images each, on any number of ranks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from candelabra.data import DataModule, Digits
from candelabra.data.sampling.class_batches import ClassBatchOrder
from candelabra.errors import CandelabraError

CLASSES = np.repeat(np.arange(6), [9, 9, 9, 9, 2, 1])  # the last two have fewer images than come at a time


def _draw(order: ClassBatchOrder, epoch: int, size: int = 12, ranks: int = 1) -> list[NDArray[np.int64]]:
    parts = [order.batches(epoch, size // ranks, rank, ranks) for rank in range(ranks)]
    return [np.concatenate(step) for step in zip(*parts, strict=True)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_batch_has_four_images_of_three_classes(ranks: int) -> None:
    order = ClassBatchOrder(CLASSES, 4, 0)
    for epoch in range(4):
        batches = _draw(order, epoch, ranks=ranks)
        assert len(batches) == len(CLASSES) // 12
        for keys in batches:
            classes, counts = np.unique(CLASSES[keys % len(CLASSES)], return_counts=True)
            assert (len(classes), set(counts)) == (3, {4})


def test_ranks_together_have_the_batches_of_one_process() -> None:
    order = ClassBatchOrder(CLASSES, 4, 3)
    for epoch in range(3):
        pairs = zip(_draw(order, epoch), _draw(order, epoch, ranks=2), strict=True)
        assert all(set(one.tolist()) == set(both.tolist()) for one, both in pairs)


def test_no_key_comes_twice_so_repeated_images_are_augmented_differently() -> None:
    order = ClassBatchOrder(CLASSES, 4, 0)
    keys = np.concatenate([keys for epoch in range(30) for keys in _draw(order, epoch)])
    assert len(np.unique(keys)) == len(keys)
    images, counts = np.unique(keys % len(CLASSES), return_counts=True)
    assert len(images) == len(CLASSES)
    of_class = np.array([counts[CLASSES[images] == number].sum() for number in range(6)])
    assert of_class.max() <= 1.2 * of_class.min()  # classes come equally often, however few images they have


def test_epochs_differ_and_are_a_function_of_seed_and_epoch() -> None:
    first, again, other = (ClassBatchOrder(CLASSES, 4, seed) for seed in (0, 0, 1))
    assert [keys.tolist() for keys in _draw(first, 2)] == [keys.tolist() for keys in _draw(again, 2)]
    assert [keys.tolist() for keys in _draw(first, 2)] != [keys.tolist() for keys in _draw(other, 2)]
    assert [keys.tolist() for keys in _draw(first, 2)] != [keys.tolist() for keys in _draw(first, 3)]


def test_images_without_a_class_never_come() -> None:
    classes = np.where(np.arange(40) < 20, np.arange(40) % 4, -1)
    keys = np.concatenate([keys for epoch in range(5) for keys in _draw(ClassBatchOrder(classes, 2, 0), epoch, 8)])
    assert (keys % 40 < 20).all()


@pytest.mark.parametrize("size", [10, 4, 28])
def test_a_batch_that_no_such_classes_fill_is_refused(size: int) -> None:
    with pytest.raises(CandelabraError, match="must be 2 to 6 times 4"):
        _draw(ClassBatchOrder(CLASSES, 4, 0), 0, size)


@pytest.mark.parametrize("word", ["1_per_class", "0_per_class", "some_per_class"])
def test_a_word_that_makes_no_pairs_is_refused(word: str) -> None:
    with pytest.raises(CandelabraError, match="from 2 on"):
        DataModule(Digits(), sampler=word)


def test_a_data_module_serves_such_batches() -> None:
    data = DataModule(Digits(), sampler="4_per_class", size=32, batch_size=16, workers=0)
    batch = next(iter(data.train_dataloader()))
    assert batch["label"].bincount().tolist().count(4) == 4
