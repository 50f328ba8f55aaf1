"""The head for `flow`: where every pixel goes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import FlowTarget, Labels
from candelabra.errors import CandelabraError
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.heads.picture_view import PictureView
from candelabra.heads.regression_metrics import RegressionErrors
from candelabra.heads.running_scale import RunningScale
from candelabra.heads.vector_map import VectorMap

FlowLoss = Literal["l1", "l2"]
_PIXELS, _SHARE = 3.0, 0.05  # by more than both of which an outlier is off (KITTI, Geiger et al. 2012)


class Flow(VectorMap):
    """Decodes the pyramid to a displacement a pixel (N, 2, H, W), in standard deviations of the training labels.

    Args:
        backbone, labels, decoder: see `VectorMap`.
        loss: l1, the distance of the end points, or l2, its square; both of standardised vectors.
    """

    target: ClassVar[str] = FlowTarget.name
    main_metric = "r2"
    lower_is_better = frozenset({"epe", "outliers", "mae", "rmse"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
        loss: FlowLoss = "l1",
    ) -> None:
        super().__init__(backbone, labels, FlowTarget, decoder)
        if loss not in ("l1", "l2"):
            raise CandelabraError(f"loss={loss} is not known; allowed are l1 and l2.")
        self.kind = loss
        self.scale = RunningScale(2)

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        self.scale.observe(target, sum_ranks)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = self.target_info.known(target)
        wanted = torch.where(known[:, None], self.scale.normalize(target), outputs.detach() + 1)  # no root of 0
        errors = outputs - wanted
        values = errors.square().sum(1) if self.kind == "l2" else (errors.square().sum(1) + 1e-6).sqrt()
        return torch.where(known, values, 0.0).sum((1, 2)) / known.sum((1, 2)).clamp(min=1)

    def metrics(self) -> dict[str, Metric]:
        return {"epe": MeanMetric(), "outliers": MeanMetric(), "errors": RegressionErrors([self.target_info.name])}

    def measure_vectors(self, metrics: Mapping[str, Metric], found: Tensor, wanted: Tensor) -> None:
        apart, length = (found - wanted).norm(dim=1), wanted.norm(dim=1)
        metrics["epe"].update(apart)
        metrics["outliers"].update(((apart > _PIXELS) & (apart > _SHARE * length)).float())
        metrics["errors"].update(found.reshape(-1, 1), wanted.reshape(-1, 1))

    def score(self, values: Mapping[str, float]) -> float | None:
        """R2 of both components together, and 0 where it is negative."""
        value = values["r2"]
        return None if value != value else max(value, 0.0)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Vectors (N, 2, H, W) in pixels."""
        return self.scale.denormalize(outputs)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        """As `VectorMap` has it, in the pixels of the pictures and of what the model sees."""
        found = super().decode_pictures(outputs, view)
        factors = torch.stack([axis.whole.float() / axis.scaled for axis in (view.columns, view.rows)])
        return {**found, "": found[""] * factors[:, None, None]}

    def describe_answer(self) -> dict[str, Any]:
        return {**super().describe_answer(), "pixels": True, "scale": self.scale.to_plain()}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.scale.restore(about["scale"])

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        return (outputs + self.scale.normalize(self.target_info.mirror_vectors(self.scale.denormalize(mirrored)))) / 2
