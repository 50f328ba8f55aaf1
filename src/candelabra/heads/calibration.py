"""How far probabilities can be trusted, and the temperature that mends them (Guo et al. 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.heads.metric_group import MetricGroup

TEMPERATURES = tuple(2 ** (step / 8) for step in range(-16, 25))  # 1/4 to 8, each 9 % above the one before
_BINS = 15


class Calibration(MetricGroup):
    """`ece`, the expected calibration error (Naeini et al. 2015), and `temperatures`, the loss at each temperature.

    `ece` is in [0, 1]: the mean distance between the confidence of the answers and the share of them that are right,
    over 15 bins of confidence. It equals `torchmetrics.classification.MulticlassCalibrationError`, which keeps every
    sample.

    `temperatures` (41,) is the cross-entropy of logits divided by each of `TEMPERATURES`. A label of n is right with a
    probability of 1 - 1 / (n + 2), as in Platt (1999): without it, a validation without a mistake would make any answer
    certain.

    Args:
        multilabel: whether each class is an answer of its own.
    """

    names = ("ece", "temperatures")
    full_state_update = False
    seen: Tensor
    confidence: Tensor
    right: Tensor
    losses: Tensor
    spread: Tensor

    def __init__(self, multilabel: bool) -> None:
        super().__init__()
        self.multilabel = multilabel
        for name in ("seen", "confidence", "right"):
            self.add_state(name, torch.zeros(_BINS), dist_reduce_fx="sum")
        for name in ("losses", "spread"):
            self.add_state(name, torch.zeros(len(TEMPERATURES)), dist_reduce_fx="sum")

    def update(self, logits: Tensor, probabilities: Tensor, target: Tensor) -> None:
        """Adds labelled samples.

        Args:
            logits: (n, C).
            probabilities: (n, C) as they are predicted.
            target: (n,) classes; (n, C) 0 or 1 of several labels.
        """
        wanted = target.float() if self.multilabel else F.one_hot(target, logits.shape[1]).float()
        if self.multilabel:
            found, right = probabilities.flatten(), wanted.flatten()
        else:
            found, answers = probabilities.max(1)
            right = (answers == target).float()
        # Bins without their lower bounds, as in torchmetrics.
        places = torch.bucketize(found, torch.linspace(0, 1, _BINS + 1, device=found.device)).sub(1).clamp(0, _BINS - 1)
        self.seen.index_add_(0, places, torch.ones_like(found))
        self.confidence.index_add_(0, places, found)
        self.right.index_add_(0, places, right)
        for place, temperature in enumerate(TEMPERATURES):
            scaled = logits.float() / temperature
            if self.multilabel:
                self.losses[place] += F.binary_cross_entropy_with_logits(scaled, wanted, reduction="sum")
                self.spread[place] += F.binary_cross_entropy_with_logits(scaled, 1 - wanted, reduction="sum")
            else:
                logs = scaled.log_softmax(1)
                self.losses[place] -= (logs * wanted).sum()
                self.spread[place] -= logs.mean(1).sum()

    def compute(self) -> dict[str, Tensor]:
        """Values by name."""
        count = self.seen.sum()
        unsure = 1 / (count + 2)
        losses = ((1 - unsure) * self.losses + unsure * self.spread) / count
        return {"ece": (self.confidence - self.right).abs().sum() / count, "temperatures": losses}


def choose_temperature(losses: Tensor) -> float:
    """That of `TEMPERATURES` with the lowest of `losses` (41,)."""
    return TEMPERATURES[int(losses.argmin())]
