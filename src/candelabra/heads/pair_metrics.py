"""How well the vectors of two views of an image find each other, and whether all images have become one vector."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from candelabra.heads.metric_group import MetricGroup

_BLOCK = 1024  # images that are compared at a time


class PairMetrics(MetricGroup):
    """Recall of the partner among all second views, and the spread of the vectors; NaN of a single image.

    pair_recall is the share of images whose first view has the second one nearest, by cosine. spread is the standard
    deviation of vectors of length 1 over images, times the root of their dimensions (Chen & He 2021): 1 for vectors in
    all directions, 0 where all images have the same one (collapse).
    """

    names = ("pair_recall", "spread")
    higher_is_better = True
    first: list[Tensor]
    second: list[Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("first", [], dist_reduce_fx="cat")
        self.add_state("second", [], dist_reduce_fx="cat")

    def update(self, first: Tensor, second: Tensor) -> None:
        """Adds vectors (n, D) of first and second views of the same images."""
        self.first.append(F.normalize(first.float(), dim=1))
        self.second.append(F.normalize(second.float(), dim=1))

    def compute(self) -> dict[str, Tensor]:
        first, second = dim_zero_cat(self.first), dim_zero_cat(self.second)
        if len(first) < 2:
            return {name: first.new_full((), torch.nan) for name in self.names}
        found = torch.cat([(rows @ second.T).argmax(1) for rows in first.split(_BLOCK)])
        recall = (found == torch.arange(len(first), device=first.device)).float().mean()
        spread = first.std(0, correction=0).square().mean().sqrt() * first.shape[1] ** 0.5
        return dict(zip(self.names, (recall, spread), strict=True))
