"""The head of self-supervised learning: it projects views of images to vectors that a loss compares."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric
from torchvision.ops import MLP

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import EmbeddingTarget, Labels, PictureTarget, Target
from candelabra.errors import CandelabraError
from candelabra.heads.coordinate_readers import FeaturePool, Pooling
from candelabra.heads.head import Head
from candelabra.heads.losses.views import NTXent, SimSiam
from candelabra.heads.pair_metrics import PairMetrics
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features


class Projector(Head):
    """Pools the final map of each view and projects it; outputs are (N, V, D), V = 1 for plain images.

    Only the backbone is of use after training: the projection forgets what views do not share (Chen et al. 2020).

    Args:
        backbone: what to read from.
        labels: of the data; not needed.
        loss: dimensions -> a module: first views (n, D), second views (n, D) -> (n,); see `losses.views`.
        dimensions: D.
        hidden: widths of hidden layers, which are batch-normalised.
        pooling: see `FeaturePool`.
    """

    target: ClassVar[str] = "image"
    main_metric = "pair_recall"
    compares_samples = True
    unmeasured = "Validation has a single image, whose views cannot be mistaken for those of another."

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        loss: Callable[[int], nn.Module] = NTXent,
        dimensions: int = 128,
        hidden: Sequence[int] = (512,),
        pooling: Pooling = "avg",
    ) -> None:
        super().__init__()
        if dimensions < 2 or min(hidden, default=1) < 1:
            raise CandelabraError(
                f"dimensions={dimensions} and hidden={list(hidden)} must be at least 2 and a list of widths."
            )
        self.target_info = PictureTarget().rename(self.target)
        self.pool, self.dimensions = FeaturePool(backbone, pooling), dimensions
        self.layers = MLP(self.pool.num_features, [*hidden, dimensions], norm_layer=nn.BatchNorm1d)
        self.criterion = loss(dimensions)
        self.has_negative_loss = isinstance(self.criterion, SimSiam)

    @property
    def predicted_target(self) -> Target:
        return EmbeddingTarget(self.dimensions).rename(self.target)

    def forward(self, features: Features) -> Tensor:
        views = features.final if features.final.ndim > 4 else features.final[:, None]
        vectors: Tensor = self.layers(self.pool(views.flatten(0, 1)))
        return vectors.float().reshape(*views.shape[:2], -1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        known = self.labelled(target)
        losses = outputs.new_zeros(len(outputs))
        losses[known] = self.criterion(*_take_pair(outputs[known]))
        return losses

    def metrics(self) -> dict[str, Metric]:
        return {"pairs": PairMetrics()}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        metrics["pairs"].update(*_take_pair(outputs[self.labelled(target)]))

    def score(self, values: Mapping[str, float]) -> float | None:
        score = values[self.main_metric]
        return None if score != score else score

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Vectors (N, D) of length 1."""
        return F.normalize(outputs[:, -1], dim=1)

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": self.predict(outputs, view.size)}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "vector", "dimensions": self.dimensions}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Averages the vectors."""
        return (outputs + mirrored) / 2


def _take_pair(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The first two of (n, V, D); of a single view, that twice."""
    return vectors[:, 0], vectors[:, min(1, vectors.shape[1] - 1)]
