"""The head for `label`: the class of an image, or its classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import ConfusionMatrix, Metric
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAccuracy,
    MultilabelStatScores,
)

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer, pick_class
from candelabra.heads.calibration import Calibration, choose_temperature
from candelabra.heads.coordinate_readers import FeaturePool, Pooling, make_perceptron
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses import compute_class_weights
from candelabra.heads.multilabel_metrics import MeanMultilabelF1, MeanMultilabelPrecision
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class Label(Head):
    """Pools the final map and classifies it; outputs are logits (N, classes).

    Probabilities are those of logits divided by a temperature, which each validation chooses; see `Calibration`.

    Args:
        backbone, labels: what to read from, and the classes.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers; empty for one linear layer.
        dropout: share of activations dropped before each linear layer.
        smoothing: share of the target spread over all classes (Szegedy et al. 2016), 0 to 1.
        class_weights: one factor a class, in the order of the classes; balanced, by the shares of the classes among
            the labelled images of a batch (see `compute_class_weights`), so that rare classes count; or null for equal
            weights. In training the batch is that of all ranks.
    """

    target: ClassVar[str] = LabelTarget.name
    lower_is_better = frozenset({"ece"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        smoothing: float = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, LabelTarget)
        classes = self.target_info.classes
        if not 0 <= smoothing < 1:
            raise CandelabraError(f"smoothing={smoothing} is no share; allowed is 0 up to, but not, 1.")
        self.balanced = class_weights == "balanced"
        given = [1.0] * len(classes) if class_weights is None or isinstance(class_weights, str) else class_weights
        if len(given) != len(classes):
            raise CandelabraError(
                f"class_weights has {len(given)} numbers, but there are {len(classes)} classes: "
                f"{', '.join(classes)}; give one for each, in this order."
            )
        self.classes, self.multilabel, self.smoothing = classes, self.target_info.multilabel, smoothing
        self.main_metric = "f1" if self.multilabel else "accuracy"
        self.tables = frozenset({"class_counts" if self.multilabel else "confusion", "temperatures"})
        self.pool = FeaturePool(backbone, pooling, grid)
        self.layers = make_perceptron(self.pool.num_features, len(self.classes), hidden, dropout)
        self.register_buffer("class_weights", torch.tensor(list(given), dtype=torch.float32), persistent=False)
        self.class_weights: Tensor
        self.register_calibrated("temperature", torch.ones(()))
        self.temperature: Tensor
        self._seen: Tensor | None = None  # images of each class in the batch of all ranks that is trained on

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        """Counts the images of each class, by which classes are balanced."""
        if self.balanced:
            self._seen = sum_ranks(self._count_classes(target))

    def forward(self, features: Features) -> Tensor:
        logits: Tensor = self.layers(self.pool(features.final))
        return logits.float()

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        weights = self._balance_classes(target) if self.balanced else self.class_weights
        if self.multilabel:
            wanted = target.nan_to_num() * (1 - self.smoothing) + self.smoothing / 2
            values = F.binary_cross_entropy_with_logits(outputs, wanted, weights, reduction="none")
            return values.mean(1)
        return F.cross_entropy(outputs, target.clamp(min=0), weights, reduction="none", label_smoothing=self.smoothing)

    def _balance_classes(self, target: Tensor) -> Tensor:
        """(C,) weights, in training by what `observe_labels` counted."""
        counts = self._seen if self.training and self._seen is not None else self._count_classes(target)
        return compute_class_weights(counts)

    def _count_classes(self, target: Tensor) -> Tensor:
        """(C,) images of each class."""
        if self.multilabel:
            return target.nan_to_num().sum(0)
        return (target[:, None] == torch.arange(len(self.classes), device=target.device)).sum(0)

    def metrics(self) -> dict[str, Metric]:
        count = len(self.classes)
        metrics: dict[str, Metric] = {"calibration": Calibration(self.multilabel)}
        if self.multilabel:
            metrics["accuracy"] = MultilabelAccuracy(count, validate_args=False)
            metrics["f1"] = MeanMultilabelF1(count, validate_args=False)
            metrics["map"] = MeanMultilabelPrecision(count)
            metrics["class_counts"] = MultilabelStatScores(count, average="none", validate_args=False)
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
            if isinstance(metric, Calibration):
                metric.update(outputs[labelled], self.predict(outputs[labelled], size), wanted)
            elif isinstance(metric, MeanMultilabelPrecision):
                metric.update(outputs[labelled], wanted)
            else:
                metric.update(shown, wanted)

    def score(self, values: Mapping[str, float]) -> float:
        return values[self.main_metric]

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Probabilities (N, classes)."""
        calm = outputs / self.temperature
        return calm.sigmoid() if self.multilabel else calm.softmax(1)

    def calibrate(self, tables: Mapping[str, Tensor]) -> None:
        if "temperatures" in tables:
            self.temperature.fill_(choose_temperature(tables["temperatures"]))

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A class by name; the most probable by default."""
        index = int(self(features)[0].argmax()) if word is None else pick_class(word, self.classes)
        return HeadAnswer(
            self.classes[index],
            lambda changed: self(changed)[:, index],
            lambda changed: self.predict(self(changed), changed.size)[:, index],
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": self.predict(outputs, view.size)}

    def describe_answer(self) -> dict[str, Any]:
        return {
            "kind": "probabilities",
            "classes": list(self.classes),
            "multilabel": self.multilabel,
            "temperature": round(float(self.temperature), 6),
        }

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.temperature.fill_(float(about.get("temperature", 1.0)))

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Averages probabilities."""
        calm, other = outputs / self.temperature, mirrored / self.temperature
        if self.multilabel:
            return ((calm.sigmoid() + other.sigmoid()) / 2).logit(1e-7) * self.temperature
        return torch.logaddexp(calm.log_softmax(1), other.log_softmax(1)) * self.temperature
