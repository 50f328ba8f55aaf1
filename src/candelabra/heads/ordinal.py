"""The head for `ordinal`: the grade of an image, by cumulative logits."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import ConfusionMatrix, MeanMetric, Metric
from torchmetrics.classification import MulticlassCohenKappa

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, OrdinalTarget
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer, pick_class
from candelabra.heads.coordinate_readers import FeaturePool, Pooling, make_perceptron
from candelabra.heads.head import Head, require_target
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class Ordinal(Head):
    """Pools the final map and compares one number with a threshold for each step from grade to grade.

    Outputs are logits (N, G - 1) of the grade being above 0, 1, ... (CORAL, Cao et al. 2020). The thresholds are the
    first and positive gaps, so the logits never contradict each other, trained or not.

    Args:
        backbone, labels: what to read from, and the grades.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers; empty for one linear layer.
        dropout: share of activations dropped before each linear layer.
    """

    target: ClassVar[str] = OrdinalTarget.name
    main_metric = "kappa"
    lower_is_better = frozenset({"mae"})
    tables = frozenset({"confusion"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, OrdinalTarget)
        self.grades = self.target_info.grades
        if len(self.grades) < 2:
            raise CandelabraError(
                f"The data have {len(self.grades)} grades, but an ordinal head needs at least two: give all, lowest "
                "first, with 'data.words={ordinal_grades:[none,mild,severe]}'."
            )
        self.pool = FeaturePool(backbone, pooling, grid)
        self.layers = make_perceptron(self.pool.num_features, 1, hidden, dropout)
        steps = len(self.grades) - 1
        self.first = nn.Parameter(torch.tensor([(1 - steps) / 2]))
        self.gaps = nn.Parameter(torch.ones(steps - 1).expm1().log())  # softplus of them is 1

    def forward(self, features: Features) -> Tensor:
        height: Tensor = self.layers(self.pool(features.final)).float()
        thresholds = torch.cat([self.first, F.softplus(self.gaps)]).cumsum(0)
        return height - thresholds

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        above = (target[:, None] > torch.arange(outputs.shape[1], device=target.device)).float()
        return F.binary_cross_entropy_with_logits(outputs, above, reduction="none").sum(1)

    def metrics(self) -> dict[str, Metric]:
        count = len(self.grades)
        return {
            "kappa": MulticlassCohenKappa(count, weights="quadratic", validate_args=False),
            "mae": MeanMetric(),
            "confusion": ConfusionMatrix("multiclass", num_classes=count, validate_args=False),
        }

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        found, wanted = (outputs[labelled] > 0).sum(1), target[labelled]
        metrics["kappa"].update(found, wanted)
        metrics["confusion"].update(found, wanted)
        metrics["mae"].update((found - wanted).abs().float())

    def score(self, values: Mapping[str, float]) -> float | None:
        """The quadratically weighted kappa, and 0 where it is negative; 1 - mae / steps where it is not defined."""
        kappa = values["kappa"]
        return max(kappa, 0.0) if kappa == kappa else max(0.0, 1 - values["mae"] / (len(self.grades) - 1))

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Probabilities (N, G)."""
        above = outputs.sigmoid()
        ends = torch.ones_like(above[:, :1])
        return torch.cat([ends, above], 1) - torch.cat([above, 0 * ends], 1)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A grade by name, by default the one that is predicted; the evidence is that for at least this grade.

        The lowest grade has the evidence against all others.
        """
        found = int((self(features)[0] > 0).sum())
        grade = found if word is None else pick_class(word, self.grades)
        sign, step = (1, grade - 1) if grade else (-1, 0)
        return HeadAnswer(
            self.grades[grade],
            lambda changed: sign * self(changed)[:, step],
            lambda changed: self.predict(self(changed), changed.size)[:, grade],
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": self.predict(outputs, view.size)}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "grades", "grades": list(self.grades)}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        return (outputs + mirrored) / 2
