"""A label head with auxiliary classifiers on earlier feature maps, used in training only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.head import Head, require_target
from candelabra.heads.label import Label
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class Auxiliary(Head):
    """A label head, beside a classifier on each map of a stride: their losses reach the middle of the backbone.

    In training, outputs are logits (N, 1 + classifiers, classes), the head's own first, and the loss is
    its own plus `weight` times each other; in evaluation, outputs and everything else are the head's own. Each
    classifier is GoogLeNet's (Szegedy et al. 2015): a grid of means, a 1x1 convolution, two linear layers.

    Args:
        backbone, labels: what to read from, and the classes.
        label: builds the head.
        stride: of the maps with a classifier. 16: Inception-v3's own place (Mixed_6e) and, under
            backbone=googlenet_auxiliary, both of GoogLeNet's (inception4a and 4d).
        weight: of each classifier's loss; 0.3 in GoogLeNet, 0.4 as Inception-v3 is usually trained.
        width: channels of the 1x1 convolution.
        hidden: width of the first linear layer.
        dropout: share of activations dropped between the linear layers.

    Raises:
        CandelabraError: the backbone has no such map.
    """

    target: ClassVar[str] = LabelTarget.name

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        label: Callable[[Backbone, Labels], Head] = Label,
        stride: int = 16,
        weight: float = 0.3,
        width: int = 128,
        hidden: int = 1024,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, LabelTarget)
        self.places = [place for place, given in enumerate(backbone.strides) if given == stride]
        if not self.places:
            raise CandelabraError(
                f"stride={stride}: this backbone has no map of it for an auxiliary classifier; its strides are "
                f"{', '.join(map(str, backbone.strides))}."
            )
        self.main, self.weight = label(backbone, labels), weight
        self.main_metric, self.lower_is_better = self.main.main_metric, self.main.lower_is_better
        self.counts, self.tables, self.metric_notes = self.main.counts, self.main.tables, self.main.metric_notes
        self.others = nn.ModuleList(
            _classifier(backbone.channels[place], len(self.target_info.classes), width, hidden, dropout)
            for place in self.places
        )

    def list_class_rows(self) -> Sequence[str]:
        others = [f"others.{place}.{[*dict(each.named_children())][-1]}" for place, each in enumerate(self.others)]
        return [*(f"main.{name}" for name in self.main.list_class_rows()), *others]

    def forward(self, features: Features) -> Tensor:
        own: Tensor = self.main(features)
        if not self.training:
            return own
        pairs = zip(self.others, self.places, strict=True)
        return torch.stack([own, *(other(features.maps[place]).float() for other, place in pairs)], 1)

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        self.main.observe_labels(target, sum_ranks)

    def labelled(self, target: Tensor) -> Tensor:
        return self.main.labelled(target)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        if outputs.ndim == 2:
            return self.main.loss(outputs, target, size)
        own, *others = (self.main.loss(each, target, size) for each in outputs.unbind(1))
        return own + self.weight * torch.stack(others).sum(0)

    def metrics(self) -> Mapping[str, Metric]:
        return self.main.metrics()

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.main.measure(metrics, outputs, target, size)

    def score(self, values: Mapping[str, float]) -> float | None:
        return self.main.score(values)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        return self.main.predict(outputs, size)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        return self.main.find_answer(features, word)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> Mapping[str, Tensor]:
        return self.main.decode_pictures(outputs, view)

    def describe_answer(self) -> dict[str, Any]:
        return self.main.describe_answer()

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.main.restore_answer(about)

    def calibrate(self, tables: Mapping[str, Tensor]) -> None:
        self.main.calibrate(tables)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        return self.main.average_mirrored(outputs, mirrored, size)


def _classifier(channels: int, classes: int, width: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(4),
        nn.Conv2d(channels, width, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 16, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )
