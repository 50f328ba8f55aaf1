"""From which score on a detection is shown: that of the highest F1 on validation."""

import torch
from torch import Tensor

from candelabra.data.targets.object_rows import CLASS_COLUMN, SCORE_COLUMN

DEFAULT_SCORE = 0.25  # for classes without an object in validation
_DIGITS = 1e4


def choose_score_thresholds(curves: Tensor) -> Tensor:
    """For each class the score at which precision and recall have the highest harmonic mean, F1.

    Args:
        curves: (C, 2, R) precision, and least score, at R recalls from 0 to 1; see `DetectionMetrics`.

    Returns:
        (C,) float32, rounded down to four digits; `DEFAULT_SCORE` for classes that were not measured, or not found.

    >>> precision, score = [1.0, 1.0, 0.2], [0.9, 0.6, 0.1]
    >>> choose_score_thresholds(torch.tensor([[precision, score]]))
    tensor([0.6000])
    """
    precision, scores = curves.float().nan_to_num(0).unbind(1)
    recall = torch.linspace(0, 1, curves.shape[-1], device=curves.device)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-9)
    best, place = f1.max(1)
    found = scores.gather(1, place[:, None])[:, 0]
    return torch.where(best > 0, (found * _DIGITS + 1e-3).floor() / _DIGITS, DEFAULT_SCORE)


def find_certain_rows(rows: Tensor, thresholds: Tensor) -> Tensor:
    """(N, D) bool: which detections (N, D, 6) have the score of their class (C,) or more."""
    numbers = rows[..., CLASS_COLUMN].long()
    return (numbers >= 0) & (rows[..., SCORE_COLUMN] >= thresholds[numbers.clamp(min=0)])


def select_certain_rows(rows: Tensor, thresholds: Tensor) -> Tensor:
    """Detections (N, D, 6) that have the score of their class or more: (N, E, 6), filled up with rows of -1.

    Args:
        rows: of box, class and score, best first.
        thresholds: (C,).
    """
    certain = find_certain_rows(rows, thresholds)
    order = certain.int().argsort(dim=1, descending=True, stable=True)
    moved = rows.gather(1, order[..., None].expand_as(rows)).masked_fill(~certain.gather(1, order)[..., None], -1)
    return moved[:, : int(certain.sum(1).max()) if len(rows) else 0]
