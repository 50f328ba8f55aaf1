"""Metrics that compute several values at once, such as the precisions of a detector."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from torch import Tensor
from torchmetrics import Metric


class MetricGroup(Metric, ABC):
    """A metric whose `compute` returns values by name; these names take the place of its own.

    Attributes:
        names: of the values that are there whatever the samples; others come where the samples have them.
    """

    names: tuple[str, ...]

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """Returns values by name."""


def list_metric_names(metrics: Mapping[str, Metric]) -> list[str]:
    """Names of the values that `compute_metrics` returns."""
    names: list[Iterable[str]] = [m.names if isinstance(m, MetricGroup) else (key,) for key, m in metrics.items()]
    return [name for each in names for name in each]


def compute_metrics(metrics: Mapping[str, Metric]) -> dict[str, Tensor]:
    """Values by name, those of each `MetricGroup` by their own names."""
    found: dict[str, Tensor] = {}
    for key, metric in metrics.items():
        value = metric.compute()
        found |= value if isinstance(metric, MetricGroup) else {key: value}
    return found
