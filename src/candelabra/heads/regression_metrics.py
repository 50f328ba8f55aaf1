"""Metrics of predicted numbers: errors in their unit, the share of variance explained, and pairs for a picture."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from candelabra.heads.metric_group import MetricGroup

_PAIRS = 1000  # of a rank; more would not be told apart in a picture


class RegressionErrors(MetricGroup):
    """Mean absolute error, root of the mean squared error, and R2 of each of some numbers; NaN labels are left out.

    torchmetrics' own take no missing label, and their R2 cancels in float32 where the mean is far from 0.

    Args:
        words: names of the numbers; with several, mae and rmse are <name>_mae and <name>_rmse, and r2 is the mean.
    """

    full_state_update = False

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        starts = [f"{word.replace('/', '_')}_" for word in words] if len(words) > 1 else [""]
        own = [f"{start}{kind}" for start in starts for kind in (("mae", "rmse", "r2") if start else ("mae", "rmse"))]
        self.starts, self.names = starts, (*own, "r2")
        for state in ("number", "absolute", "squared", "labels", "squared_labels"):
            self.add_state(state, torch.zeros(len(starts), dtype=torch.float64), dist_reduce_fx="sum")
        self.number: Tensor
        self.absolute: Tensor
        self.squared: Tensor
        self.labels: Tensor
        self.squared_labels: Tensor

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds predictions (N, K) and labels (N, K), NaN where unknown."""
        wanted, found = labels.double(), predictions.double()
        known = wanted.isfinite() & found.isfinite()
        errors = torch.where(known, found - wanted, 0.0)
        wanted = torch.where(known, wanted, 0.0)
        self.number += known.sum(0)
        self.absolute += errors.abs().sum(0)
        self.squared += errors.square().sum(0)
        self.labels += wanted.sum(0)
        self.squared_labels += wanted.square().sum(0)

    def compute(self) -> dict[str, Tensor]:
        spread = self.squared_labels - self.labels.square() / self.number
        r2 = torch.where(spread > 1e-12 * self.squared_labels, 1 - self.squared / spread, torch.nan)
        mae, rmse = self.absolute / self.number, (self.squared / self.number).sqrt()
        found: dict[str, Tensor] = {}
        for place, start in enumerate(self.starts):
            found |= {f"{start}mae": mae[place].float(), f"{start}rmse": rmse[place].float()}
            found |= {f"{start}r2": r2[place].float()} if start else {}
        return {**found, "r2": r2.nanmean().float()}


class PredictedPairs(Metric):
    """The first pairs of a label and its prediction: (M, K, 2), NaN where there is none."""

    full_state_update = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.add_state("pairs", torch.full((_PAIRS, width, 2), torch.nan), dist_reduce_fx=None)
        self.add_state("filled", torch.tensor(0), dist_reduce_fx=None)
        self.pairs: Tensor
        self.filled: Tensor

    def update(self, predictions: Tensor, labels: Tensor) -> None:
        """Adds predictions (N, K) and labels (N, K)."""
        start = int(self.filled)
        added = torch.stack([labels.float(), predictions.float()], 2)[: _PAIRS - start]
        self.pairs[start : start + len(added)] = added
        self.filled += len(added)

    def compute(self) -> Tensor:
        pairs = self.pairs.reshape(-1, *self.pairs.shape[-2:])  # of several ranks, one after the other
        return pairs[~pairs.isnan().all(2).all(1)]
