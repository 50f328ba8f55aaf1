"""Metrics of validation and test: of each head its own metrics, its loss, and the number of labelled samples."""

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric

from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.heads.metric_group import compute_metrics
from candelabra.runs.head_metrics import HeadSummary

_OWN = ("count", "loss")


class SplitMetrics(NamedTuple):
    """Metrics of one split.

    Args:
        names: of all heads.
        numbers: `<head>/<metric>` -> () float32.
        tables: `<head>/<metric>` -> a metric that is not one number (a confusion matrix).
        scores: head name -> its score in [0, 1]; of the heads that have one, and a loss where any head has one: a head
            that is measured alone has no say in what is the best checkpoint.
        unmeasured: why the other heads with labels have none.
    """

    names: tuple[str, ...]
    numbers: dict[str, Tensor]
    tables: dict[str, Tensor]
    scores: dict[str, float]
    unmeasured: list[str]

    @property
    def score(self) -> float | None:
        """The mean of the heads' scores; None if no head has one."""
        return sum(self.scores.values()) / len(self.scores) if self.scores else None

    def calibrate(self, heads: Sequence[tuple[str, Head]]) -> None:
        """Sets what heads show of their predictions by this validation; see `Head.calibrate`."""
        for name, head in heads:
            start = f"{name}/"
            head.calibrate({key.removeprefix(start): t for key, t in self.tables.items() if key.startswith(start)})

    def joint_loss(self, factors: Tensor) -> Tensor | None:
        """The sum of the heads' losses, times `factors` (m,); None without a labelled sample."""
        pairs = zip(self.names, factors.tolist(), strict=True)
        losses = [factor * self.numbers[f"{name}/loss"] for name, factor in pairs if f"{name}/loss" in self.numbers]
        return torch.stack(losses).sum() if losses else None


class HeadMetrics(nn.Module):
    """Metrics of one split, by head, over labelled samples of all batches and ranks.

    Args:
        heads: by name.
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.metrics = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {"count": SumMetric(), **({"loss": MeanMetric()} if h.has_loss else {}), **h.metrics()}
                )
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
            values: (n,) loss of each sample.
        """
        metrics = self.of(name)
        metrics["count"].update(len(values))
        self.add_losses(name, head, values)
        head.measure({key: m for key, m in metrics.items() if key not in _OWN}, outputs, target, size)

    def add_losses(self, name: str, head: Head, values: Tensor) -> None:
        """Adds the losses (n,) of labelled samples of a head, beside `compare`."""
        if len(values) and head.has_loss:
            self.of(name)["loss"].update(values)

    def compare(self, name: str, head: Head, predictions: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        """Adds predictions and labels in the same pixels; see `Head.compare`."""
        metrics = self.of(name)
        metrics["count"].update(len(target))
        head.compare({key: m for key, m in metrics.items() if key not in _OWN}, predictions, target, size)

    def compute(self, heads: Sequence[tuple[str, Head]]) -> SplitMetrics:
        """The metrics of all samples since the last call; resets them.

        A head without a labelled sample has no metric; one whose labels cannot be measured has its count and loss.
        """
        numbers: dict[str, Tensor] = {}
        tables: dict[str, Tensor] = {}
        scores: dict[str, float] = {}
        unmeasured: list[str] = []
        taught = any(head.has_loss for _, head in heads)
        for name, head in heads:
            metrics = self.of(name)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*compute.*before.*update")  # a rank without a label
                found = {"count": metrics["count"].compute()}
                if found["count"] > 0:
                    found = compute_metrics(metrics)
                    # torchmetrics makes a scalar of the confusion matrix of a single class
                    found |= {key: found[key].reshape(1, 1) for key in head.tables & {*found} if not found[key].ndim}
                    score = head.score({key: float(v) for key, v in found.items() if v.ndim < 2 and v.numel() == 1})
                    if score is None:
                        found = {key: found[key] for key in _OWN if key in found}
                        unmeasured.append(head.unmeasured)
                    elif head.has_loss or not taught:
                        scores[name] = score
                    whole = {key for key, value in found.items() if value.ndim < 2 and value.numel() == 1}
                    numbers |= {f"{name}/{key}": value.float() for key, value in found.items() if key in whole}
                    tables |= {f"{name}/{key}": value.cpu() for key, value in found.items() if key not in whole}
            for metric in metrics.values():
                metric.reset()
        return SplitMetrics(tuple(self.metrics), numbers, tables, scores, unmeasured)


def summarize_heads(heads: Sequence[tuple[str, Head]]) -> dict[str, HeadSummary]:
    """What `results.json` says of the metrics of each head."""
    return {
        name: HeadSummary(
            head.target,
            head.main_metric,
            ("loss", *sorted(head.lower_is_better)),
            ("count", *sorted(head.counts)),
            dict(head.metric_notes),
        )
        for name, head in heads
    }


def check_measured(measured: SplitMetrics) -> float:
    """Returns the score of validation.

    Raises:
        CandelabraError: no label could be measured.
    """
    if measured.score is None:
        reasons = " ".join(dict.fromkeys(measured.unmeasured))
        raise CandelabraError(f"There is nothing to choose the best checkpoint by. {reasons}")
    return measured.score
