"""How well vectors of one class find each other, whatever the classes that were learned."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from candelabra.heads.metric_group import MetricGroup

_BLOCK = 1024  # queries that are compared at a time
_NEAR = 5


class RetrievalMetrics(MetricGroup):
    """Recall among the nearest and MAP@R of vectors, each looked for among all others; NaN where none has another.

    recall_at_k is the share of images with one of their class among the k nearest, by cosine. MAP@R (Musgrave et al.
    2020) is the mean precision at each hit among the R nearest, where R others are of the class: 1 where all of a class
    come first. Images that are alone in their class ask nothing, but may be found.
    """

    names = ("recall_at_1", "recall_at_5", "map_at_r")
    higher_is_better = True
    vectors: list[Tensor]
    classes: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Flat and float32: torchmetrics lets a rank without a sample send an empty tensor of that kind.
        self.add_state("vectors", [], dist_reduce_fx="cat")
        self.add_state("classes", [], dist_reduce_fx="cat")

    def update(self, vectors: Tensor, classes: Tensor) -> None:
        """Adds vectors (n, D), and their classes (n,)."""
        self.vectors.append(F.normalize(vectors.float(), dim=1).flatten())
        self.classes.append(classes.float())

    def compute(self) -> dict[str, Tensor]:
        classes = dim_zero_cat(self.classes).long()
        vectors = dim_zero_cat(self.vectors).view(len(classes), -1)
        others = classes.bincount()[classes] - 1
        asking = torch.nonzero(others > 0).flatten()
        if not len(asking):
            return {name: vectors.new_full((), torch.nan) for name in self.names}
        near = min(len(classes) - 1, max(_NEAR, int(others.max())))
        ranks = torch.arange(1, near + 1, device=vectors.device)
        sums = torch.zeros(len(self.names), dtype=torch.float64, device=vectors.device)
        for rows in asking.split(_BLOCK):
            similarity = (vectors[rows] @ vectors.T).scatter_(1, rows[:, None], -torch.inf)  # not itself
            found = classes[similarity.topk(near).indices] == classes[rows, None]
            hits = found & (ranks <= others[rows, None])
            precision = (hits.cumsum(1) / ranks * hits).sum(1) / others[rows]
            sums += torch.stack([found[:, 0].sum(), found[:, :_NEAR].any(1).sum(), precision.sum()])
        return dict(zip(self.names, (sums / len(asking)).float(), strict=True))
