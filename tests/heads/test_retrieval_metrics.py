"""Recall and MAP@R of vectors, against pytorch-metric-learning and against numbers by hand."""

import math

import pytest
import torch

from candelabra.heads.retrieval_metrics import RetrievalMetrics
from tests.heads.empty_rank import join_empty_rank


def _measure(vectors: torch.Tensor, classes: torch.Tensor, batch: int = 1000) -> dict[str, float]:
    metric = RetrievalMetrics()
    for rows in torch.arange(len(vectors)).split(batch):
        metric.update(vectors[rows], classes[rows])
    return {name: float(value) for name, value in metric.compute().items()}


def test_values_are_those_of_pytorch_metric_learning() -> None:
    library = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    assert library
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(12, (300,), generator=generator)
    vectors = torch.randn(300, 8, generator=generator) + torch.randn(12, 8, generator=generator)[classes]
    theirs = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r"),
        k="max_bin_count",
        device=torch.device("cpu"),
        knn_func=CustomKNN(CosineSimilarity()),
    ).get_accuracy(vectors, classes)
    ours = _measure(vectors, classes, batch=70)
    assert ours["recall_at_1"] == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert ours["map_at_r"] == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)
    assert 0.2 < ours["recall_at_1"] < ours["recall_at_5"] < 1


def test_values_by_hand() -> None:
    angles = torch.tensor([0.0, 1.0, 3.0, 7.0, 7.5]) / 10  # nearest of each: 1, 0, 1, 4, 3
    vectors = torch.stack([angles.cos(), angles.sin()], 1)
    found = _measure(vectors, torch.tensor([0, 1, 0, 1, 2]))
    assert found["recall_at_1"] == 0.0
    assert found["recall_at_5"] == 1.0  # the last one has no other of its class, and does not ask
    assert found["map_at_r"] == 0.0
    assert _measure(vectors, torch.tensor([0, 0, 0, 1, 1])) == dict.fromkeys(RetrievalMetrics.names, 1.0)


def test_there_is_no_value_where_no_image_has_another_of_its_class() -> None:
    assert all(math.isnan(value) for value in _measure(torch.eye(3), torch.arange(3)).values())


def test_a_rank_without_a_sample_changes_nothing() -> None:
    torch.manual_seed(0)
    vectors, classes = torch.randn(20, 4), torch.arange(20) % 3
    metric = RetrievalMetrics(dist_sync_fn=join_empty_rank, distributed_available_fn=lambda: True)
    metric.update(vectors, classes)
    assert {name: float(value) for name, value in metric.compute().items()} == _measure(vectors, classes)
