"""Means over the classes of several labels an image."""

import pytest
import torch

from candelabra.heads.multilabel_metrics import MeanMultilabelF1, MeanMultilabelPrecision


def test_classes_that_a_split_lacks_do_not_count() -> None:
    truth = torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    for metric in (MeanMultilabelF1(3, validate_args=False), MeanMultilabelPrecision(3, validate_args=False)):
        metric.update(truth * 0.9 + 0.01, truth)
        assert float(metric.compute()) == pytest.approx(1, abs=1e-6)
    wrong = MeanMultilabelF1(3, validate_args=False)
    wrong.update(torch.tensor([[0.9, 0.1, 0.9]]), torch.tensor([[1, 0, 0]]))
    assert float(wrong.compute()) == pytest.approx(0.5)  # the third class was answered, and is not there


@pytest.mark.parametrize(("high", "low"), [(0.0045, 0.0005), (0.9995, 0.996), (0.6, 0.4)])
def test_the_order_of_small_and_large_probabilities_is_seen(high: float, low: float) -> None:
    truth = torch.zeros(1000, 1, dtype=torch.long)
    truth[:10] = 1
    metric = MeanMultilabelPrecision(1, validate_args=False)
    metric.update(torch.where(truth == 1, high, low), truth)
    assert float(metric.compute()) == pytest.approx(1, abs=1e-6)
