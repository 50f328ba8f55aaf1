"""The head for `label` that learns vectors: images of one class near each other, also of classes it never saw."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import EmbeddingTarget, Labels, LabelTarget, Target
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.coordinate_readers import FeaturePool, Pooling, make_perceptron
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses.metric_learning import MultiSimilarity
from candelabra.heads.losses.rank_joining import join_ranks
from candelabra.heads.picture_view import PictureView
from candelabra.heads.retrieval_metrics import RetrievalMetrics
from candelabra.types import Features


class Embedding(Head):
    """Pools the final map and projects it; outputs are vectors (N, D) of length 1.

    The loss compares the images of a batch with each other, of all ranks together where several train. It is one number
    for a batch, which each of its samples gets.

    Args:
        backbone, labels: what to read from, and the classes; one an image.
        loss: classes, dimensions -> a module: vectors (n, D), classes (n,) -> (); see `losses.metric_learning`;
            null for vectors that are measured alone.
        dimensions: D; null for the pooled features themselves, without a layer.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers.
        dropout: share of activations dropped before each linear layer.
    """

    target: ClassVar[str] = LabelTarget.name
    main_metric = "map_at_r"
    compares_samples = True
    unmeasured = "No image of validation has another of its class to be found; data.split=by_class keeps classes whole."

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        loss: Callable[[int, int], nn.Module] | None = MultiSimilarity,
        dimensions: int | None = 128,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, LabelTarget)
        if self.target_info.multilabel:
            raise CandelabraError(
                "An embedding head needs one class an image, but these data give several; choose task=classification."
            )
        self.pool = FeaturePool(backbone, pooling, grid)
        if dimensions is None and (hidden or dropout):
            raise CandelabraError("dimensions=null leaves out all layers; set hidden=[] and dropout=0, or a number.")
        if dimensions is not None and dimensions < 1:
            raise CandelabraError(f"dimensions={dimensions} must be at least 1, or null for the pooled features.")
        width = self.pool.num_features
        self.layers = nn.Identity() if dimensions is None else make_perceptron(width, dimensions, hidden, dropout)
        self.dimensions = dimensions or width
        self.criterion = loss(len(self.target_info.classes), self.dimensions) if loss else None
        self.has_loss = loss is not None

    @property
    def predicted_target(self) -> Target:
        return EmbeddingTarget(self.dimensions).rename(self.target_info.name)

    def list_class_rows(self) -> Sequence[str]:
        return ()

    def forward(self, features: Features) -> Tensor:
        final = features.final[:, -1] if features.final.ndim > 4 else features.final  # of views, the last
        return F.normalize(self.layers(self.pool(final)).float(), dim=1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        if self.criterion is None:
            return outputs.new_zeros(len(outputs))
        known = self.labelled(target)
        vectors, classes = outputs[known], target[known].long()
        if self.training:
            vectors, classes = join_ranks(vectors), join_ranks(classes)
        value = self.criterion(vectors, classes) if len(vectors) else outputs.sum()
        return value.expand(len(outputs))

    def metrics(self) -> dict[str, Metric]:
        return {"retrieval": RetrievalMetrics()}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        known = self.labelled(target)
        metrics["retrieval"].update(outputs[known], target[known])

    def score(self, values: Mapping[str, float]) -> float | None:
        score = values[self.main_metric]
        return None if score != score else score

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Vectors (N, D) of length 1."""
        return outputs

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """How long the vector is in its own direction, before its length is made 1; it has no words to choose from."""
        if word is not None:
            raise CandelabraError(f"target={word} is not known: a vector has no parts with names; leave target out.")
        before = self(features).detach()
        return HeadAnswer(
            self.target_info.name,
            lambda changed: (self.layers(self.pool(changed.final)).float() * before).sum(1),
            lambda changed: (self(changed) * before).sum(1).clamp(0, 1),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        return {"": outputs}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "vector", "dimensions": self.dimensions}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """The direction between both vectors."""
        return F.normalize(outputs + mirrored, dim=1)


def find_embedding(heads: Iterable[nn.Module]) -> Embedding | None:
    """The first head that learns vectors, whose vectors stand for images; null where a backbone's features do."""
    return next((head for head in heads if isinstance(head, Embedding)), None)
