"""The head for `box`: the bounding box of the one object of an image."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import BoxTarget, Labels
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer, make_place_score
from candelabra.heads.box_overlaps import compute_overlaps
from candelabra.heads.coordinate_readers import SoftArgmax
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses import giou_loss
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features

_SIDES = ("left", "top", "right", "bottom")


class Box(Head):
    """Finds the left-, top-, right- and bottommost point and joins them; outputs are (N, 4) XYXY in image sides.

    Args:
        backbone, labels: what to read from; the data must label boxes.
        coordinates: builds the layer that predicts 4 points from features: `SoftArgmax` keeps position, `Pooled`
            regresses from pooled or flattened features.
        l1_weight: factor of the smooth L1 distance of the edges, in image sides.
        giou_weight: factor of 1 - GIoU (Rezatofighi et al. 2019).
        beta: the distance, in image sides, below which L1 is smooth.
    """

    target: ClassVar[str] = BoxTarget.name
    main_metric = "iou"

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        coordinates: Callable[[Backbone, int], nn.Module] = SoftArgmax,
        l1_weight: float = 5.0,
        giou_weight: float = 2.0,
        beta: float = 0.02,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, BoxTarget)
        self.coordinates = coordinates(backbone, 4)
        self.l1_weight, self.giou_weight, self.beta = l1_weight, giou_weight, beta

    def forward(self, features: Features) -> Tensor:
        points: Tensor = self.coordinates(features)
        return torch.stack([points[:, 0, 0], points[:, 1, 1], points[:, 2, 0], points[:, 3, 1]], 1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        wanted = torch.where(self.labelled(target)[:, None], target / make_box_scale(size, target), outputs.detach())
        distance = F.smooth_l1_loss(outputs, wanted, reduction="none", beta=self.beta).sum(1)
        return self.l1_weight * distance + self.giou_weight * giou_loss(outputs, wanted)

    def metrics(self) -> dict[str, Metric]:
        return {"iou": MeanMetric(), "iou50": MeanMetric()}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        self.compare(metrics, self.predict(outputs, size)[labelled], target[labelled], size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        overlap = compute_overlaps(predictions, target)
        metrics["iou"].update(overlap)
        metrics["iou50"].update((overlap >= 0.5).float())

    def score(self, values: Mapping[str, float]) -> float:
        return values["iou"]

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Boxes (N, 4), XYXY pixels inside the image."""
        corners = outputs.clamp(0, 1).view(-1, 2, 2).sort(1).values.flatten(1)
        return corners * make_box_scale(size, outputs)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A side of the box (left, top, right, bottom); by default all four."""
        if word is not None and word not in _SIDES:
            raise CandelabraError(f"target={word} is no side of a box; allowed are {', '.join(_SIDES)}.")
        found = self.predict(self(features).detach(), features.size)
        return HeadAnswer(
            word or "box",
            make_place_score(self.coordinates, features, range(4) if word is None else [_SIDES.index(word)]),
            lambda changed: compute_overlaps(self.predict(self(changed), changed.size), found),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": view.restore_boxes(self.predict(outputs, view.size))}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "box"}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        xmin, ymin, xmax, ymax = mirrored.unbind(1)
        return (outputs + torch.stack([1 - xmax, ymin, 1 - xmin, ymax], 1)) / 2


def make_box_scale(size: tuple[int, int], like: Tensor) -> Tensor:
    """(W, H, W, H), to bring a box from image sides to pixels."""
    scale = torch.tensor([size[1], size[0], size[1], size[0]], dtype=torch.float32)
    return scale.to(like.device, non_blocking=True)  # torch.tensor(..., device=) would wait for the GPU
