"""The order of one data set is torch's own, and ranks together are served what one process would be."""

from collections.abc import Callable

import pytest
from torch.utils.data import BatchSampler, DistributedSampler

from candelabra.data.sampling.train_order import BatchOrder, SampleOrder, SequentialOrder, ShuffledOrder


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("count", "size"), [(30, 4), (7, 4), (32, 8), (5, 8), (1, 8), (25, 8), (47, 8)])
@pytest.mark.parametrize("order", [ShuffledOrder, lambda count, seed: SequentialOrder([count])])
def test_ranks_together_are_served_the_batches_of_one_process(
    order: Callable[[int, int], SampleOrder], count: int, size: int, ranks: int
) -> None:
    """Each sample once on one rank; a rank that has none in a batch gets the stand-in of one."""
    whole = order(count, 3).batches(2, size * ranks, 0, 1)
    each = [order(count, 3).batches(2, size, rank, ranks) for rank in range(ranks)]
    assert [len(batches) for batches in each] == [len(whole)] * ranks
    for batch, *parts in zip(whole, *each, strict=True):
        served = [key for part in parts for key in part if key >= 0]
        assert sorted(served) == sorted(batch)
        assert all(len(part) for part in parts)
        assert {~key for part in parts for key in part if key < 0} <= set(batch)


def test_one_data_set_is_drawn_as_torch_would() -> None:
    ours = BatchOrder(ShuffledOrder(32, 3), 8, 1, 2)
    torchs: DistributedSampler[int] = DistributedSampler(range(32), 2, 1, shuffle=True, seed=3)
    for sampler in (ours, torchs):
        sampler.set_epoch(2)
    assert list(ours) == [[64 + index for index in batch] for batch in BatchSampler(torchs, 8, drop_last=False)]


def test_runs_never_meet_in_a_batch_and_ranks_keep_step() -> None:
    order = SequentialOrder([5, 3])
    assert list(BatchOrder(order, 2)) == [[0, 1], [2, 3], [4], [5, 6], [7]]
    halves = [list(BatchOrder(order, 2, rank, 2)) for rank in (0, 1)]
    assert halves == [[[0, 2], [4], [5, 7]], [[1, 3], [~4], [6]]]


def test_what_was_served_is_left_out_once() -> None:
    batches = BatchOrder(ShuffledOrder(20, 0), 4)
    whole = list(batches)
    batches.skip = 3
    iter(batches)  # as a loader with workers does
    assert list(batches) == whole[3:]
    assert list(batches) == whole
