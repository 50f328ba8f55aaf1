"""The head for `normals`: the direction in which the surface at every pixel faces."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric, Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, NormalsTarget
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.heads.vector_map import VectorMap

_ANGLES = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}  # degrees (Fouhey et al. 2013)


class Normals(VectorMap):
    """Decodes the pyramid to a direction a pixel (N, 3, H, W); predictions have length 1.

    The loss is 1 - cos of the angle to the label, averaged over known pixels.

    Args:
        backbone, labels, decoder: see `VectorMap`.
    """

    target: ClassVar[str] = NormalsTarget.name
    main_metric = "angle"
    lower_is_better = frozenset({"angle"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
    ) -> None:
        super().__init__(backbone, labels, NormalsTarget, decoder)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = self.target_info.known(target)
        cosine = F.cosine_similarity(outputs, torch.where(known[:, None], target, 1.0), dim=1)
        return torch.where(known, 1 - cosine, 0.0).sum((1, 2)) / known.sum((1, 2)).clamp(min=1)

    def metrics(self) -> dict[str, Metric]:
        return {"angle": MeanMetric(), **{name: MeanMetric() for name in _ANGLES}}

    def measure_vectors(self, metrics: Mapping[str, Metric], found: Tensor, wanted: Tensor) -> None:
        # The arc cosine loses all digits where both are alike.
        angles = torch.rad2deg(2 * torch.atan2((found - wanted).norm(dim=1), (found + wanted).norm(dim=1)))
        metrics["angle"].update(angles)
        for name, most in _ANGLES.items():
            metrics[name].update((angles < most).float())

    def score(self, values: Mapping[str, float]) -> float | None:
        """1 for no angle to the labels, 0 for a right one and more."""
        angle = values["angle"]
        return None if angle != angle else max(0.0, 1 - angle / 90)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Normals (N, 3, H, W) of length 1."""
        return F.normalize(outputs, dim=1)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """The direction between both."""
        return F.normalize(outputs, dim=1) + F.normalize(self.target_info.mirror_vectors(mirrored), dim=1)
