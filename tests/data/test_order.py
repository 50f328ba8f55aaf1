"""The order of one data set is torch's own, and every rank is served the same number of batches."""

import pytest
from torch.utils.data import BatchSampler, DistributedSampler

from candelabra.data.order import Batches, InTurn, Shuffled


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize(("count", "size"), [(30, 4), (7, 4), (32, 8), (5, 8)])
def test_one_data_set_is_served_as_torchs_distributed_sampler_would(count: int, size: int, ranks: int) -> None:
    for rank in range(ranks):
        torchs: DistributedSampler[int] = DistributedSampler(range(count), ranks, rank, shuffle=True, seed=3)
        torchs.set_epoch(2)
        ours = Batches(Shuffled(count, 3), size, rank, ranks)
        ours.set_epoch(2)
        expected = [[2 * count + index for index in batch] for batch in BatchSampler(torchs, size, drop_last=False)]
        if len(expected) > 2 and len(expected[-1]) < size:
            expected.pop()
        assert list(ours) == expected
        assert len(ours) == len(expected)
        judged: DistributedSampler[int] = DistributedSampler(range(count), ranks, rank, shuffle=False)
        assert list(Batches(InTurn([count]), size, rank, ranks)) == list(BatchSampler(judged, size, drop_last=False))


def test_runs_never_meet_in_a_batch_and_ranks_keep_step() -> None:
    order = InTurn([5, 3])
    assert list(Batches(order, 2)) == [[0, 1], [2, 3], [4], [5, 6], [7]]
    halves = [list(Batches(order, 2, rank, 2)) for rank in (0, 1)]
    assert halves == [[[0, 2], [4], [5, 7]], [[1, 3], [0], [6, 5]]]


def test_what_was_served_is_left_out_once() -> None:
    batches = Batches(Shuffled(20, 0), 4)
    whole = list(batches)
    batches.skip = 3
    iter(batches)  # as a loader with workers does
    assert list(batches) == whole[3:]
    assert list(batches) == whole
