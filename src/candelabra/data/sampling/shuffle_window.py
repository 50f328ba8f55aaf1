"""Shuffles training samples within a window of shards, for shards that are slow to open, such as remote ones."""

import numpy as np
from numpy.typing import NDArray

from candelabra.data.sampling.train_order import SampleKeys, TrainOrder, deal_to_ranks, draw_permutation, pad_to_batches
from candelabra.errors import CandelabraError


def check_window(window: int | None) -> None:
    """Checks the value of `data.window`.

    Raises:
        CandelabraError: it is not positive.
    """
    if window is not None and window < 1:
        raise CandelabraError(f"data.window={window} must be at least 1 shard, or null to shuffle all images.")


class WindowedOrder(TrainOrder):
    """Each training sample once: shards are shuffled anew in each epoch, and samples within windows of shards.

    Ranks share each window, so all read the same shards at about the same time; a batch may have samples of two
    windows. A window of all shards shuffles all samples.

    Args:
        shard: (n,) int64, the shard of each training sample.
        window: number of shards in a window, at least 1.
        seed: of the order.

    Attributes:
        total: images in an epoch.
    """

    def __init__(self, shard: NDArray[np.int64], window: int, seed: int) -> None:
        self.shard, self.window, self.seed = shard, window, seed
        self.shards, self.total = np.unique(shard), len(shard)

    def batches(self, epoch: int, size: int, rank: int, ranks: int) -> list[SampleKeys]:
        turn = np.zeros(int(self.shards.max()) + 1, np.int64)
        turn[self.shards[draw_permutation(len(self.shards), self.seed + epoch)]] = np.arange(len(self.shards))
        shuffled = draw_permutation(len(self.shard), self.seed + epoch)
        windows = turn[self.shard[shuffled]] // self.window
        keys = epoch * len(self.shard) + shuffled[np.argsort(windows, kind="stable")]
        return deal_to_ranks(pad_to_batches(keys, size * ranks, ranks), size, rank, ranks)
