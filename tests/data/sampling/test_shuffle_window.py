"""Training samples from some shards at a time."""

import numpy as np
import pytest

from candelabra.data.sampling.shuffle_window import WindowedOrder


def test_each_sample_comes_once_on_some_rank_and_windows_come_one_after_another() -> None:
    shard = np.repeat(np.arange(12), 16)
    order = WindowedOrder(shard, 3, seed=0)
    ranks = [order.batches(2, 8, rank, 2) for rank in range(2)]
    served = np.concatenate([batch for batches in ranks for batch in batches]) - 2 * len(shard)
    assert sorted(served.tolist()) == list(range(192))
    for step in range(0, 12, 3):
        keys = np.concatenate([batch for batches in ranks for batch in batches[step : step + 3]])
        assert len(np.unique(shard[keys % 192])) == 3


def test_epochs_differ_in_shards_and_in_samples() -> None:
    order = WindowedOrder(np.repeat(np.arange(6), 10), 2, seed=0)
    first, second = (np.concatenate(order.batches(epoch, 5, 0, 1)) % 60 for epoch in (0, 1))
    assert set((first[:20] // 10).tolist()) != set((second[:20] // 10).tolist())
    assert np.array_equal(first, np.concatenate(order.batches(0, 5, 0, 1)) % 60)


@pytest.mark.parametrize("window", [1, 4, 99])
def test_a_window_shuffles_all_that_it_holds(window: int) -> None:
    order = WindowedOrder(np.repeat(np.arange(8), 50), window, seed=1)
    keys = np.concatenate(order.batches(0, 10, 0, 1))
    first = keys[: 50 * min(window, 8)]
    assert np.abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.3
