"""The head for `label`: the class of an image, or its classes."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import ConfusionMatrix, Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAccuracy,
    MultilabelAveragePrecision,
    MultilabelF1Score,
)

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.heads.coordinate_readers import FeaturePool, Pooling, make_perceptron
from candelabra.heads.head import Head, require_target
from candelabra.types import Features


class Label(Head):
    """Pools the final map and classifies it; outputs are logits (N, classes).

    Args:
        backbone, labels: what to read from, and the classes.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers; empty for one linear layer.
        dropout: share of activations dropped before each linear layer.
        smoothing: share of the target spread over all classes (Szegedy et al. 2016), 0 to 1.
        class_weights: one factor a class, in the order of the classes; null for equal weights.
    """

    target: ClassVar[str] = LabelTarget.name
    tables = frozenset({"confusion"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        smoothing: float = 0.0,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, LabelTarget)
        classes = self.target_info.classes
        if not 0 <= smoothing < 1:
            raise CandelabraError(f"smoothing={smoothing} is no share; allowed is 0 up to, but not, 1.")
        if class_weights is not None and len(class_weights) != len(classes):
            raise CandelabraError(
                f"class_weights has {len(class_weights)} numbers, but there are {len(classes)} classes: "
                f"{', '.join(classes)}; give one for each, in this order."
            )
        self.classes, self.multilabel, self.smoothing = classes, self.target_info.multilabel, smoothing
        self.main_metric = "f1" if self.multilabel else "accuracy"
        self.pool = FeaturePool(backbone, pooling, grid)
        self.layers = make_perceptron(self.pool.num_features, len(self.classes), hidden, dropout)
        weights = torch.ones(len(self.classes)) if class_weights is None else torch.tensor(list(class_weights))
        self.register_buffer("class_weights", weights.float(), persistent=False)
        self.class_weights: Tensor

    def forward(self, features: Features) -> Tensor:
        logits: Tensor = self.layers(self.pool(features.final))
        return logits.float()

    def labelled(self, target: Tensor) -> Tensor:
        return self.target_info.is_labelled(target)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        if self.multilabel:
            wanted = target.nan_to_num() * (1 - self.smoothing) + self.smoothing / 2
            values = F.binary_cross_entropy_with_logits(outputs, wanted, self.class_weights, reduction="none")
            return values.mean(1)
        return F.cross_entropy(
            outputs, target.clamp(min=0), self.class_weights, reduction="none", label_smoothing=self.smoothing
        )

    def metrics(self) -> dict[str, Metric]:
        count = len(self.classes)
        metrics: dict[str, Metric] = {}
        if self.multilabel:
            metrics["accuracy"] = MultilabelAccuracy(count, validate_args=False)
            metrics["f1"] = MultilabelF1Score(count, average="macro", validate_args=False)
            metrics["map"] = MultilabelAveragePrecision(count, thresholds=200, validate_args=False)
            return metrics
        metrics["accuracy"] = MulticlassAccuracy(count, average="micro", validate_args=False)
        metrics["f1"] = MulticlassF1Score(count, average="macro", validate_args=False)
        if count > 5:
            metrics["top5"] = MulticlassAccuracy(count, average="micro", top_k=5, validate_args=False)
        metrics["confusion"] = ConfusionMatrix("multiclass", num_classes=count, validate_args=False)
        return metrics

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        shown = outputs[labelled].sigmoid() if self.multilabel else outputs[labelled]
        wanted = target[labelled].long()
        for metric in metrics.values():
            metric.update(shown, wanted)

    def score(self, values: Mapping[str, float]) -> float:
        return values[self.main_metric]

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Probabilities (N, classes)."""
        return outputs.sigmoid() if self.multilabel else outputs.softmax(1)
