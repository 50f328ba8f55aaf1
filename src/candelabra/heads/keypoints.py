"""The head for `keypoints`: named points of an image."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import KeypointsTarget, Labels
from candelabra.errors import CandelabraError, list_nearest
from candelabra.heads.answers import HeadAnswer, make_distance_confidence, make_place_score
from candelabra.heads.box import make_box_scale
from candelabra.heads.coordinate_readers import SoftArgmax, compute_image_diagonal
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses import SmoothL1
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class Keypoints(Head):
    """Reads one place a point; outputs are (N, K, 2) XY in image sides.

    Args:
        backbone, labels: what to read from, and the points.
        coordinates: builds the layer that predicts K points from features: `SoftArgmax` reads heat maps, `Pooled`
            regresses them, which is faster and less exact.
        loss: of errors in image sides, element by element (`SmoothL1`, `Wing`).
        normalizer: what the normalised mean error is divided by: points (the distance of the two points that the
            data name), box (the diagonal of the points' bounding box), image (the image's diagonal), or auto
            (points where the data name them, else image).
        tolerance: share of that length within which a point counts as correct (PCK, Yang & Ramanan 2013).
    """

    target: ClassVar[str] = KeypointsTarget.name
    main_metric = "nme"
    lower_is_better = frozenset({"nme"})
    counts = frozenset({"points"})

    unmeasured = (
        "No point of validation could be measured: are both points of data.normalizer seen in some image? "
        "task.heads.keypoints.normalizer=image needs none."
    )

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        coordinates: Callable[[Backbone, int], nn.Module] = SoftArgmax,
        loss: nn.Module | None = None,
        normalizer: Literal["auto", "points", "box", "image"] = "auto",
        tolerance: float = 0.1,
    ) -> None:
        super().__init__()
        self.target_info = points = require_target(labels, KeypointsTarget)
        if normalizer not in ("auto", "points", "box", "image"):
            raise CandelabraError(f"normalizer={normalizer} is not known; allowed are auto, points, box and image.")
        if normalizer == "points" and not points.normalizer:
            raise CandelabraError(
                "normalizer=points needs data that name two points (data.normalizer=[left_eye,right_eye], say); "
                "choose box or image here."
            )
        self.names, self.pair = points.names, points.normalizer
        self.normalizer = ("points" if self.pair else "image") if normalizer == "auto" else normalizer
        self.tolerance = tolerance
        self.metric_notes = {"nme": f"mean error divided by {self._name_normalizer()}"}
        self.coordinates = coordinates(backbone, len(self.names))
        self.error_loss = loss or SmoothL1()

    def forward(self, features: Features) -> Tensor:
        points: Tensor = self.coordinates(features)
        return points

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = (~target.isnan()).all(2, keepdim=True)
        wanted = torch.where(known, target / make_box_scale(size, target)[:2], outputs.detach())
        values: Tensor = self.error_loss(outputs - wanted)
        return (values.sum(2) * known[..., 0]).sum(1) / known.sum((1, 2)).clamp(min=1)

    def metrics(self) -> dict[str, Metric]:
        return {"nme": MeanMetric(), "pck": MeanMetric(), "points": SumMetric()}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.compare(metrics, self.predict(outputs, size), target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        relative = (predictions - target).norm(dim=2) / self.lengths(target, size)[:, None]
        known = ~relative.isnan()
        counted = known.any(1)
        if counted.any():
            mean = relative.nan_to_num().sum(1)[counted] / known.sum(1)[counted]
            metrics["nme"].update(mean)
            metrics["pck"].update((relative[known] <= self.tolerance).float())
            metrics["points"].update(known.sum())

    def lengths(self, target: Tensor, size: tuple[int, int]) -> Tensor:
        """(N,) what each image's errors are divided by, in pixels; NaN where it cannot be told."""
        if self.normalizer == "image":
            return target.new_full((len(target),), compute_image_diagonal(size))
        if self.normalizer == "box":
            low = target.nan_to_num(nan=float("inf")).amin(1)
            high = target.nan_to_num(nan=float("-inf")).amax(1)
            length = (high - low).norm(dim=1)
        else:
            length = (target[:, self.pair[0]] - target[:, self.pair[1]]).norm(dim=1)
        return torch.where((length > 0) & length.isfinite(), length, torch.nan)

    def _name_normalizer(self) -> str:
        if self.normalizer == "points":
            return f"the distance of {self.names[self.pair[0]]} and {self.names[self.pair[1]]}"
        return f"the diagonal of the {'image' if self.normalizer == 'image' else 'bounding box of the points'}"

    def score(self, values: Mapping[str, float]) -> float | None:
        """exp(-10 NME): 0.61 at an error of 5 %, 0.90 at 1 %; none where no image shows what errors are divided by."""
        if not values["points"]:
            return None
        return float(torch.exp(torch.tensor(-10 * values["nme"])))

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Points (N, K, 2), XY pixels."""
        return outputs * make_box_scale(size, outputs)[:2]

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A point by name; by default all of them."""
        if word is not None and word not in self.names:
            raise CandelabraError(f"target={word} is no point; allowed are {list_nearest(word, self.names)}.")
        points = range(len(self.names)) if word is None else [self.names.index(word)]
        return HeadAnswer(
            word or "all points",
            make_place_score(self.coordinates, features, points),
            make_distance_confidence(lambda changed: self(changed)[:, list(points)], features),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": view.restore_points(self.predict(outputs, view.size))}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "points", "names": list(self.names)}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        points = torch.stack([1 - mirrored[..., 0], mirrored[..., 1]], 2)
        order = self.target_info.mirrored  # type: ignore[attr-defined]
        return (outputs + (points[:, list(order)] if order else points)) / 2
