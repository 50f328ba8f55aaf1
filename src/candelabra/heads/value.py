"""The head for `value`: one or more numbers of an image."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, ValueTarget
from candelabra.errors import CandelabraError, list_nearest
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.coordinate_readers import FeaturePool, Pooling, make_perceptron
from candelabra.heads.head import Head, require_target
from candelabra.heads.picture_view import PictureView
from candelabra.heads.regression_metrics import PredictedPairs, RegressionErrors
from candelabra.heads.running_scale import RunningScale
from candelabra.types import Features

ValueLoss = Literal["huber", "l1", "l2", "gaussian_nll"]
_LOSSES = ("huber", "l1", "l2", "gaussian_nll")
_LOG_VARIANCES = (-10.0, 10.0)  # of standardised numbers; an exact fit would have no bound


class Value(Head):
    """Pools the final map and regresses K numbers, in standard deviations of the training labels (`RunningScale`).

    Outputs are (N, K); with `loss=gaussian_nll` (N, 2 K), the logarithms of variances last (Nix & Weigend 1994).

    Args:
        backbone, labels: what to read from, and the names of the numbers.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers; empty for one linear layer.
        dropout: share of activations dropped before each linear layer.
        loss: huber (quadratic up to one standard deviation, linear above), l1, l2, or gaussian_nll, which also predicts
            the standard deviation of each error.
    """

    target: ClassVar[str] = ValueTarget.name
    main_metric = "r2"
    tables = frozenset({"pairs"})
    unmeasured = "R2 of the values needs two different labels in validation."

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        loss: ValueLoss = "huber",
    ) -> None:
        super().__init__()
        given = require_target(labels, ValueTarget)
        if loss not in _LOSSES:
            raise CandelabraError(f"loss={loss} is not known; allowed are {', '.join(_LOSSES)}.")
        self.names, self.kind = given.names, loss
        self.has_negative_loss = loss == "gaussian_nll"
        self.target_info = given.with_deviations() if loss == "gaussian_nll" else given
        self.lower_is_better = frozenset(name for name in RegressionErrors(self.names).names if not name.endswith("r2"))
        self.pool = FeaturePool(backbone, pooling, grid)
        outputs = len(self.names) * (2 if loss == "gaussian_nll" else 1)
        self.layers = make_perceptron(self.pool.num_features, outputs, hidden, dropout)
        self.scale = RunningScale(len(self.names))

    def forward(self, features: Features) -> Tensor:
        numbers: Tensor = self.layers(self.pool(features.final))
        return numbers.float()

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        self.scale.observe(target, sum_ranks)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = target.isfinite()
        found = outputs[:, : len(self.names)]
        wanted = torch.where(known, self.scale.normalize(target.float()), found.detach())
        if self.kind == "gaussian_nll":
            spread = self._read_log_variances(outputs)
            values = (spread + (found - wanted).square() / spread.exp()) / 2
        elif self.kind == "huber":
            values = F.huber_loss(found, wanted, reduction="none")
        else:
            values = (found - wanted).abs() if self.kind == "l1" else (found - wanted).square()
        return torch.where(known, values, 0.0).sum(1) / known.sum(1).clamp(min=1)

    def _read_log_variances(self, outputs: Tensor) -> Tensor:
        return outputs[:, len(self.names) :].clamp(*_LOG_VARIANCES)

    def metrics(self) -> dict[str, Metric]:
        return {"errors": RegressionErrors(self.names), "pairs": PredictedPairs(len(self.names))}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        found = self.scale.denormalize(outputs[labelled, : len(self.names)])
        for metric in metrics.values():
            metric.update(found, target[labelled])

    def score(self, values: Mapping[str, float]) -> float | None:
        """R2, and 0 where it is negative; none where all labels of each number are equal."""
        return None if math.isnan(values["r2"]) else max(values["r2"], 0.0)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Numbers (N, K) in the unit of the labels; with `loss=gaussian_nll` (N, K, 2), standard deviations beside."""
        found = self.scale.denormalize(outputs[:, : len(self.names)])
        if self.kind != "gaussian_nll":
            return found
        return torch.stack([found, (self._read_log_variances(outputs) / 2).exp() * self.scale.std], 2)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A number by its name; by default the first."""
        name = self.names[0] if word is None else word
        if name not in self.names:
            raise CandelabraError(f"target={name} is no value; allowed are {list_nearest(name, self.names)}.")
        place = self.names.index(name)
        before = self(features)[0, place].detach()
        return HeadAnswer(
            name,
            lambda changed: self(changed)[:, place],
            lambda changed: torch.exp(-(self(changed)[:, place] - before).abs()),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": self.predict(outputs, view.size)}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "numbers", "names": list(self.names), "scale": self.scale.to_plain()}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        self.scale.restore(about["scale"])

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        return (outputs + mirrored) / 2
