"""Losses of self-supervised learning: two views of an image near each other, without all images becoming one vector.

Each takes the number of dimensions, then its own parameters, and maps the vectors of first and second views, (n, D)
each, to the loss of each image (n,). Those that compare images take all ranks together in training. lightly is imported
only where one is built.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import MLP

from candelabra.backbones.sync_batchnorm import has_sync_batchnorm
from candelabra.environment import require_package
from candelabra.errors import CandelabraError
from candelabra.heads.losses.rank_joining import join_ranks

_PACKAGE = "lightly"


class NTXent(nn.Module):
    """NT-Xent, the loss of SimCLR (Chen et al. 2020): each view finds its partner among all views of the batch.

    Args:
        dimensions: of the vectors; this loss has no weights, and does not need them.
        temperature: by which cosines are divided.
    """

    def __init__(self, dimensions: int, temperature: float = 0.2) -> None:
        super().__init__()
        if temperature <= 0:
            raise CandelabraError(f"temperature={temperature} must be above 0 (0.2, say).")
        require_package(_PACKAGE, "loss=nt_xent")
        from lightly.loss import NTXentLoss

        self.compute = NTXentLoss(temperature)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return _compare_images(self, first, second)


class VICReg(nn.Module):
    """VICReg (Bardes et al. 2022): views are equal, dimensions vary over images and say different things.

    Args:
        dimensions: see `NTXent`.
        invariance, variance, covariance: factors of the three terms.
    """

    def __init__(
        self, dimensions: int, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0
    ) -> None:
        super().__init__()
        require_package(_PACKAGE, "loss=vicreg")
        from lightly.loss import VICRegLoss

        self.compute = VICRegLoss(invariance, variance, covariance)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return _compare_images(self, first, second)


class SimSiam(nn.Module):
    """SimSiam (Chen & He 2021): a predictor tells the vector of one view from the other, which is not taught by it.

    Args:
        dimensions: of the vectors.
        hidden: width of the predictor's hidden layer, less than the dimensions.
    """

    def __init__(self, dimensions: int, hidden: int = 64) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dimensions, affine=False)  # the last layer of the paper's projection
        self.predictor = MLP(dimensions, [hidden, dimensions], norm_layer=nn.BatchNorm1d)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        if not len(first) and not has_sync_batchnorm(self):  # running statistics of nothing would be NaN
            return first.sum(1) + sum(0 * parameter.sum() for parameter in self.parameters())
        vectors = self.norm(torch.cat([first, second]))
        (first, second), (from_first, from_second) = vectors.chunk(2), self.predictor(vectors).chunk(2)
        similarity = F.cosine_similarity(from_first, second.detach()) + F.cosine_similarity(from_second, first.detach())
        return -similarity / 2


def _compare_images(loss: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """The one number of a batch for each of its images; 0 for a single one, which nothing can be compared with."""
    count = len(first)
    if loss.training:
        first, second = join_ranks(first), join_ranks(second)
    if len(first) < 2:
        return (0 * (first.sum() + second.sum())).expand(count)
    with torch.autocast(first.device.type, enabled=False):  # similarities in 16 bits are too coarse
        return cast(Tensor, loss.compute(first, second)).expand(count)  # type: ignore[operator]
