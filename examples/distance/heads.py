"""The head for `distance`: scale-invariant regression on the pyramid."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels
from candelabra.heads import Head, PyramidDecoder, require_target, resample
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.types import Features
from distance.targets import DistanceTarget


class Distance(Head):
    """Outputs the logarithm of the distance in metres, (N, H, W).

    Args:
        backbone, labels: what to read from; the data must label distance.
        decoder: builds the decoder; see `candelabra.heads.decoders`.
        variance_weight: 0 to 1; the share of the mean error that the loss forgives (Eigen et al. 2014): with 1, an
            error of scale costs nothing.
    """

    target: ClassVar[str] = DistanceTarget.name
    target_info: DistanceTarget
    main_metric = "delta1"
    lower_is_better = frozenset({"abs_rel"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
        variance_weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, DistanceTarget)
        self.decoder = PyramidDecoder(backbone, decoder)
        self.regress = nn.Conv2d(self.decoder.width, 1, 1)
        self.variance_weight = variance_weight

    def forward(self, features: Features) -> Tensor:
        logarithms: Tensor = self.regress(self.decoder(features))
        return resample(logarithms.float(), features.size)[:, 0]

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = self.target_info.known(target)
        wanted = torch.where(known, target.clamp(min=1e-3), torch.ones_like(target)).log()
        difference = (outputs - wanted) * known
        count = known.sum((1, 2)).clamp(min=1)
        mean = difference.sum((1, 2)) / count
        values: Tensor = difference.square().sum((1, 2)) / count - self.variance_weight * mean.square()
        return values

    def metrics(self) -> dict[str, Metric]:
        return {"delta1": MeanMetric(), "abs_rel": MeanMetric()}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.compare(metrics, self.predict(outputs, size), target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        known = self.target_info.known(target)
        found, wanted = predictions[known], target[known].clamp(min=1e-3)
        metrics["delta1"].update((torch.maximum(found / wanted, wanted / found) < 1.25).float())
        metrics["abs_rel"].update((found - wanted).abs() / wanted)

    def score(self, values: Mapping[str, float]) -> float:
        """The share of pixels within 25 % of the true distance."""
        return values["delta1"]

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Distance (N, H, W) in metres."""
        return outputs.exp()
