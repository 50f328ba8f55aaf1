"""The head for `depth`: a number for every pixel."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import DepthTarget, Labels
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses import map_gradient_loss
from candelabra.heads.picture_view import PictureView
from candelabra.heads.pyramid import PyramidDecoder, resample
from candelabra.heads.regression_metrics import PredictedPairs, RegressionErrors
from candelabra.heads.running_scale import RunningScale
from candelabra.types import Features

log = logging.getLogger(__name__)
DepthLoss = Literal["silog", "l1", "l2"]
_ANSWERS = ("mean", "least", "largest")
_SHARE = 0.1  # of the pixels that the least and the largest numbers are
_SHOWN = 4  # pixels a side of an image in the picture of predicted and true numbers
_MOST_LOG = 30.0  # logarithms of predictions; more would not be finite in half precision formats of files


class Depth(Head):
    """Decodes the pyramid to one number a pixel (N, H, W), in standard deviations of the training labels.

    Args:
        backbone, labels: what to read from; the data must label depth.
        decoder: builds the decoder; see `candelabra.heads.decoders`.
        log: learns logarithms, as suits distances, whose errors count by their ratio; numbers of 0 and below are then
            unknown. false for numbers that may be negative, such as heights.
        loss: silog (scale-invariant logarithmic error, Eigen et al. 2014), l1 or l2, both of standardised numbers.
        variance_weight: of silog, 0 to 1; the share of the mean error that is forgiven: with 1, an error of scale costs
            nothing.
        gradient_weight: factor of the error of differences between neighbours, which makes edges sharp; 0 for none.
    """

    target: ClassVar[str] = DepthTarget.name
    tables = frozenset({"pairs"})
    target_info: DepthTarget

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
        log: bool = True,
        loss: DepthLoss = "silog",
        variance_weight: float = 0.5,
        gradient_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, DepthTarget)
        if loss not in ("silog", "l1", "l2") or (loss == "silog" and not log):
            allowed = "silog, l1 and l2" if log else "l1 and l2, as log=false"
            raise CandelabraError(f"loss={loss} is not allowed; allowed are {allowed}.")
        if not 0 <= variance_weight <= 1 or gradient_weight < 0:
            raise CandelabraError(
                f"variance_weight={variance_weight} must be 0 to 1, and gradient_weight={gradient_weight} at least 0."
            )
        self.log, self.kind = log, loss
        self.variance_weight, self.gradient_weight = variance_weight, gradient_weight
        self.main_metric = "delta1" if log else "r2"
        self.lower_is_better = frozenset({"abs_rel", "rmse", "mae"} if log else {"rmse", "mae"})
        self.decoder = PyramidDecoder(backbone, decoder)
        self.regress = nn.Conv2d(self.decoder.width, 1, 1)
        self.scale = RunningScale(1)
        self._warned = False

    def forward(self, features: Features) -> Tensor:
        numbers: Tensor = self.regress(self.decoder(features))
        return resample(numbers.float(), features.size)[:, 0]

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        self.scale.observe(self._to_space(target)[:, None], sum_ranks)

    def _to_space(self, target: Tensor) -> Tensor:
        """Labels as they are learned: their logarithms, if so; NaN where unknown."""
        return torch.where(self._known(target), target, torch.nan).log() if self.log else target

    def _known(self, target: Tensor) -> Tensor:
        """(N, H, W) which pixels can be learned: with `log` those above 0, as far as predictions reach."""
        known = self.target_info.known(target)
        return known & (target >= math.exp(-_MOST_LOG)) if self.log else known

    def labelled(self, target: Tensor) -> Tensor:
        valid, known = self._known(target), self.target_info.known(target)
        if self.log and not self._warned and bool((known != valid).any()):
            self._warned = True
            log.warning(
                "Depth of 0 and below is unknown with log=true: %.1f %% of the labelled pixels of a batch. Give "
                "task.heads.depth.log=false where such numbers are right.",
                100 * (1 - int(valid.sum()) / int(known.sum())),
            )
        return valid.flatten(1).any(1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = self._known(target)
        wanted = self.scale.normalize(self._to_space(target)[:, None])[:, 0]
        errors = torch.where(known, outputs - torch.where(known, wanted, 0.0), 0.0)
        count = known.sum((1, 2)).clamp(min=1)
        if self.kind == "silog":
            logs = errors * self.scale.std
            mean = logs.sum((1, 2)) / count
            values = logs.square().sum((1, 2)) / count - self.variance_weight * mean.square()
        else:
            values = (errors.abs() if self.kind == "l1" else errors.square()).sum((1, 2)) / count
        if self.gradient_weight:
            values = values + self.gradient_weight * map_gradient_loss(errors, known)
        return values

    def metrics(self) -> dict[str, Metric]:
        relative = {"delta1": MeanMetric(), "abs_rel": MeanMetric()} if self.log else {}
        return {**relative, "errors": RegressionErrors([self.target_info.name]), "pairs": PredictedPairs(1)}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.compare(metrics, self.predict(outputs, size), target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        """Pixels that are not labelled, or that the model did not see, do not count."""
        known = self._known(target) & predictions.isfinite()
        found, wanted = predictions[known], target[known]
        if not len(wanted):
            return
        metrics["errors"].update(found[:, None], wanted[:, None])
        rows, columns = (slice(side // (2 * _SHOWN), None, max(1, side // _SHOWN)) for side in target.shape[1:])
        shown = known[:, rows, columns]
        pairs = (predictions[:, rows, columns][shown], target[:, rows, columns][shown])
        metrics["pairs"].update(*(each[:, None] for each in pairs))
        if self.log:
            metrics["delta1"].update((torch.maximum(found / wanted, wanted / found) < 1.25).float())
            metrics["abs_rel"].update((found - wanted).abs() / wanted)

    def score(self, values: Mapping[str, float]) -> float | None:
        """The share of pixels within 25 % of the true depth; with `log=false` R2, and 0 where it is negative."""
        value = values[self.main_metric]
        return None if value != value else max(value, 0.0)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps (N, H, W) in the unit of the labels."""
        numbers = self.scale.denormalize(outputs[:, None])[:, 0]
        return numbers.clamp(-_MOST_LOG, _MOST_LOG).exp() if self.log else numbers

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """The mean of the map; or `least` and `largest`: the mean of the tenth of its pixels with such numbers."""
        name = word or _ANSWERS[0]
        if name not in _ANSWERS:
            raise CandelabraError(f"target={name} is no answer of a depth head; allowed are {', '.join(_ANSWERS)}.")
        before = self(features)[0].detach()
        where = torch.ones_like(before)
        if name != "mean":
            kept = max(1, int(_SHARE * before.numel()))
            chosen = before.flatten().topk(kept, largest=name == "largest").indices
            where = torch.zeros_like(before).flatten().index_fill(0, chosen, 1.0).view_as(before)
        sign, where = -1 if name == "least" else 1, where / where.sum()
        return HeadAnswer(
            name,
            lambda changed: sign * (self(changed) * where).sum((1, 2)),
            lambda changed: torch.exp(-((self(changed) - before).abs() * where).sum((1, 2))),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        """The map of the pictures and, as `prepared`, that of what the model sees."""
        prepared = self.predict(outputs, view.size)
        return {"": view.restore_map(prepared, float("nan")), "prepared": prepared}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "number_map", "scale": self.scale.to_plain()}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.scale.restore(about["scale"])

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        return (outputs + mirrored.flip(-1)) / 2
