"""Metrics of several classes an image, as means over the classes that a split has."""

from typing import Any, final

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MultilabelF1Score
from torchmetrics.utilities import dim_zero_cat


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
class MeanMultilabelPrecision(Metric):
    """Mean average precision of the classes with a positive, as scikit-learn computes it.

    It keeps each score: 8 bytes an image and class. Those of torchmetrics take probabilities, among which float32 does
    not tell apart large logits.

    Args:
        count: of classes.
        options: of torchmetrics.
    """

    full_state_update = False
    higher_is_better = True
    scores: list[Tensor]
    truths: list[Tensor]

    def __init__(self, count: int, **options: Any) -> None:
        super().__init__(**options)
        self.count = count
        for name in ("scores", "truths"):  # flat and float32: what torchmetrics lets a rank without a sample send
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, scores: Tensor, truth: Tensor) -> None:
        """Adds logits (n, C), or anything of their order, and labels (n, C), 0 or 1."""
        self.scores.append(scores.float().flatten())
        self.truths.append(truth.float().flatten())

    def compute(self) -> Tensor:
        from sklearn.metrics import average_precision_score

        states = (dim_zero_cat(each).reshape(-1, self.count).T for each in (self.scores, self.truths))
        scores, truths = (each.nan_to_num().cpu().numpy() for each in states)
        each = [average_precision_score(true, found) for true, found in zip(truths, scores, strict=True) if true.any()]
        return torch.tensor(sum(each) / max(1, len(each)), device=self.device)
