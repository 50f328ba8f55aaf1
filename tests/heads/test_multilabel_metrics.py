"""Means over the classes of several labels an image."""

import pytest
import torch
from sklearn.metrics import average_precision_score

from candelabra.heads.multilabel_metrics import MeanMultilabelF1, MeanMultilabelPrecision
from tests.heads.empty_rank import join_empty_rank


def test_classes_that_a_split_lacks_do_not_count() -> None:
    truth = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    for metric in (MeanMultilabelF1(3, validate_args=False), MeanMultilabelPrecision(3)):
        metric.update(truth * 0.9 + 0.01, truth)
        assert float(metric.compute()) == pytest.approx(1, abs=1e-6)
    wrong = MeanMultilabelF1(3, validate_args=False)
    wrong.update(torch.tensor([[0.9, 0.1, 0.9]]), torch.tensor([[1, 0, 0]]))
    assert float(wrong.compute()) == pytest.approx(0.5)  # the third class was answered, and is not there


@pytest.mark.parametrize("scale", [0.05, 1, 30])
def test_precision_is_that_of_scikit_learn_at_any_scale_of_logits(scale: float) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = (torch.rand(300, 5, generator=generator) < 0.3).long()
    logits = (torch.randn(300, 5, generator=generator) + 1.5 * truth).mul(8).round() / 8  # some are equal
    metric = MeanMultilabelPrecision(5)
    for rows in torch.arange(300).split(64):
        metric.update(scale * logits[rows], truth[rows])
    assert float(metric.compute()) == pytest.approx(average_precision_score(truth, logits), abs=1e-6)


def test_a_rank_without_a_sample_changes_nothing() -> None:
    truth, logits = torch.tensor([[1, 0], [0, 1], [1, 1]]), torch.tensor([[0.5, 2.0], [1.5, -3.0], [2.5, 1.0]])
    metric = MeanMultilabelPrecision(2, dist_sync_fn=join_empty_rank, distributed_available_fn=lambda: True)
    metric.update(logits, truth)
    assert float(metric.compute()) == pytest.approx(average_precision_score(truth, logits), abs=1e-6)
