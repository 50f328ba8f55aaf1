"""What is measured on validation and test: of each head its metrics, its loss, and how many labels they rest on."""

import warnings
from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric

from candelabra.heads.head import Head

_OWN = ("count", "loss")


class HeadMetrics(nn.Module):
    """Metrics of one split, by head, over labelled samples of all batches and ranks.

    Args:
        heads: by name.
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.metrics = nn.ModuleDict(
            {
                name: nn.ModuleDict({"count": SumMetric(), "loss": MeanMetric(), **h.metrics()})
                for name, h in heads.items()
            }
        )

    def of(self, name: str) -> dict[str, Metric]:
        """All metrics of a head."""
        return {key: cast(Metric, m) for key, m in cast(nn.ModuleDict, self.metrics[name]).items()}

    def update(
        self, name: str, head: Head, outputs: Tensor, target: Tensor, values: Tensor, size: tuple[int, int]
    ) -> None:
        """Adds the labelled samples of a batch.

        Args:
            name: of a head.
            head: likewise.
            outputs: see `Head.loss`.
            target: likewise.
            size: likewise.
            values: (n,) the loss of each sample.
        """
        metrics = self.of(name)
        metrics["count"].update(len(values))
        metrics["loss"].update(values)
        head.measure({key: m for key, m in metrics.items() if key not in _OWN}, outputs, target, size)

    def compute(self, heads: Mapping[str, Head]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, float]]:
        """Numbers and tables `<head>/<metric>`, and each head's score, since the last call; then begins anew.

        A head without a labelled sample has none of them, one whose labels cannot be measured its count and loss.
        """
        numbers: dict[str, Tensor] = {}
        tables: dict[str, Tensor] = {}
        scores: dict[str, float] = {}
        for name, head in heads.items():
            metrics = self.of(name)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*compute.*before.*update")  # a rank without a label
                found = {"count": metrics["count"].compute()}
                if found["count"] > 0:
                    found = {key: metric.compute() for key, metric in metrics.items()}
                    score = head.score({key: float(v) for key, v in found.items() if v.numel() == 1})
                    if score is None:
                        found = {key: found[key] for key in _OWN}
                    else:
                        scores[name] = score
                    numbers |= {f"{name}/{key}": value.float() for key, value in found.items() if value.numel() == 1}
                    tables |= {f"{name}/{key}": value.cpu() for key, value in found.items() if value.numel() > 1}
            for metric in metrics.values():
                metric.reset()
        return numbers, tables, scores
