"""A head whose raw outputs come from elsewhere, with the loss, the metrics and the decoding of a trained one."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from candelabra.data.targets import Target
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class DerivedHead(Head):
    """Stands in for a head of a task that is measured or predicts.

    Args:
        head: in evaluation mode.
        derive: the head and features -> raw outputs.
        decoded: they are what `predict` returns; the loss is NaN.
    """

    def __init__(self, head: Head, derive: Callable[[Head, Features], Tensor], decoded: bool = False) -> None:
        super().__init__()
        self.head, self.derive, self.decoded, self.has_loss = head, derive, decoded, not decoded
        self.target, self.target_info = head.target, head.target_info  # type: ignore[misc]
        self.main_metric, self.lower_is_better = head.main_metric, head.lower_is_better
        self.counts, self.tables, self.metric_notes = head.counts, head.tables, head.metric_notes

    @property
    def predicted_target(self) -> Target:
        return self.head.predicted_target

    def forward(self, features: Features) -> Tensor:
        return self.derive(self.head, features)

    def labelled(self, target: Tensor) -> Tensor:
        return self.head.labelled(target)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        return outputs.new_full((len(outputs),), torch.nan) if self.decoded else self.head.loss(outputs, target, size)

    def metrics(self) -> Mapping[str, Metric]:
        return self.head.metrics()

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        if self.decoded:
            labelled = self.labelled(target)
            self.compare(metrics, outputs[labelled], target[labelled], size)
        else:
            self.head.measure(metrics, outputs, target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        self.head.compare(metrics, predictions, target, size)

    def score(self, values: Mapping[str, float]) -> float | None:
        return self.head.score(values)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        return outputs if self.decoded else self.head.predict(outputs, size)

    def select_certain(self, predictions: Tensor) -> Tensor:
        return self.head.select_certain(predictions)

    def describe_errors(self, prediction: Tensor, target: Tensor) -> str:
        return self.head.describe_errors(prediction, target)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        if self.decoded:
            raise CandelabraError(
                "tta=flip needs the checkpoint of this head: what the exported file gives is decoded."
            )
        return self.head.average_mirrored(outputs, mirrored, size)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> Mapping[str, Tensor]:
        return self.head.decode_pictures(outputs, view)

    def describe_answer(self) -> dict[str, Any]:
        return self.head.describe_answer()


def find_trained_head(head: Head) -> Head:
    """The head below any number of `DerivedHead`s."""
    return find_trained_head(head.head) if isinstance(head, DerivedHead) else head
