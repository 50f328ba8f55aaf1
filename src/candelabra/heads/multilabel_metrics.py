"""Metrics of several classes an image, as means over the classes that a split has."""

from typing import Any, final

import torch
from torch import Tensor
from torchmetrics.classification import MultilabelAveragePrecision, MultilabelF1Score

# Probabilities that are told apart: 0.1 steps of a logit. Equal steps of a probability would put all answers about a
# rare class, which are below 0.005, into one.
_THRESHOLDS = torch.linspace(-14, 14, 281).sigmoid()


@final
class MeanMultilabelF1(MultilabelF1Score):
    """Mean F1 of the classes that occur among truths or answers; torchmetrics counts each other one as 0.

    Args:
        count: of classes.
        options: of torchmetrics.
    """

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(count, average="macro", **options)

    def compute(self) -> Tensor:
        right, wrong, _, missed = self._final_state()
        total = 2 * right + wrong + missed
        each = 2 * right / total.clamp(min=1)
        return each.sum() / (total > 0).sum().clamp(min=1)


@final
class MeanMultilabelPrecision(MultilabelAveragePrecision):
    """Mean average precision of the classes with a positive; torchmetrics counts each other one as 0.

    Args:
        count: of classes.
        options: of torchmetrics.
    """

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(count, average="none", thresholds=_THRESHOLDS, **options)

    def compute(self) -> Tensor:  # type: ignore[override]
        each: Tensor = super().compute()
        there = self.confmat[0, :, 1].sum(1) > 0  # (thresholds, classes, truth, answer)
        return each[there].nan_to_num().mean() if bool(there.any()) else each.new_zeros(())
