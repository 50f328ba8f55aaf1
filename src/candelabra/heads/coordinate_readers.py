"""Readers: the part of a head that turns features into numbers, with or without keeping position."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.types import Features

Pooling = Literal["avg", "max", "concat", "flatten"]
_REACH = 64.0  # weights of 1 move a point by so many mean features, in image sides: 32 and 128 learn as well, 8 slowly


class FeaturePool(nn.Module):
    """Pools the final map (N, C, h, w) to vectors (N, num_features).

    Args:
        backbone: gives C.
        pooling: avg or max over all positions; concat of both (fastai's concat pooling); or flatten, which
            keeps a coarse grid of positions, whatever the size of the image (as VGG does).
        grid: side of that grid, for flatten.
    """

    def __init__(self, backbone: Backbone, pooling: Pooling, grid: int = 4) -> None:
        super().__init__()
        if pooling not in ("avg", "max", "concat", "flatten"):
            raise CandelabraError(f"pooling={pooling} is not known; allowed are avg, max, concat and flatten.")
        self.pooling, self.grid = pooling, grid
        self.num_features = backbone.num_features * {"concat": 2, "flatten": grid * grid}.get(pooling, 1)

    def forward(self, final: Tensor) -> Tensor:
        if self.pooling == "avg":
            return final.mean((2, 3))
        if self.pooling == "max":
            return final.amax((2, 3))
        if self.pooling == "concat":
            return torch.cat([final.mean((2, 3)), final.amax((2, 3))], 1)
        return F.adaptive_avg_pool2d(final, self.grid).flatten(1)


def make_perceptron(inputs: int, outputs: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear layers with ReLU between them, and dropout before each.

    torchvision.ops.MLP drops the outputs of the last layer as well and not the inputs of the first, and counts its
    layers otherwise in the state dict, so it cannot stand in.
    """
    if not 0 <= dropout < 1:
        raise CandelabraError(f"dropout={dropout} is no share; allowed is 0 up to, but not, 1.")
    widths = [inputs, *hidden, outputs]
    layers: list[nn.Module] = []
    for i, (width, following) in enumerate(pairwise(widths)):
        layers += [nn.ReLU()] if i else []
        layers += [nn.Dropout(dropout)] if dropout else []
        layers.append(nn.Linear(width, following))
    return nn.Sequential(*layers)


class Pooled(nn.Module):
    """Reads points from pooled features, as the textbook regression does; (N, points, 2) in image sides.

    What the last layer gives is divided by the number of its inputs (Yang et al. 2021): Adam moves each weight by the
    rate, and so a point by the rate times all inputs, which from the 20,480 of a flattened map would be several image
    sides a step: it learns badly then, and takes the features from the other heads.

    Args:
        backbone, points: what to read from, and how many points.
        pooling, grid: see `FeaturePool`.
        hidden: widths of hidden layers.
        dropout: share of activations dropped before each linear layer.
    """

    def __init__(
        self,
        backbone: Backbone,
        points: int,
        pooling: Pooling = "avg",
        grid: int = 4,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.points = points
        self.pool = FeaturePool(backbone, pooling, grid)
        self.layers = make_perceptron(self.pool.num_features, points * 2, hidden, dropout)
        self.gain = _REACH / (hidden[-1] if hidden else self.pool.num_features)

    def forward(self, features: Features) -> Tensor:
        numbers: Tensor = self.layers(self.pool(features.final))
        return self.gain * numbers.float().view(-1, self.points, 2) + 0.5  # untrained, it points at the middle


class SoftArgmax(nn.Module):
    """Reads points as the centres of mass of heat maps, one map a point; (N, points, 2) in image sides.

    The maps of the backbone from `stride` on are joined (Lin et al. 2017), so position is kept, which globally
    pooled features lose; the centre of mass of a softmax over positions (Nibali et al. 2018; Sun et al. 2018) is
    differentiable and finer than the grid.

    Args:
        backbone, points: what to read from, and how many points.
        stride: the finest map to use, in pixels.
        width: channels of the joined map.
    """

    def __init__(self, backbone: Backbone, points: int, stride: int = 8, width: int = 64) -> None:
        super().__init__()
        usable = [i for i, given in enumerate(backbone.strides) if given >= stride]
        self.first = usable[0] if usable else len(backbone.strides) - 1
        self.lateral = nn.ModuleList(
            nn.Conv2d(channels, width, 1, bias=False) for channels in backbone.channels[self.first :]
        )
        self.join = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1, bias=False))
        self.heat = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, points, 1))

    def forward(self, features: Features) -> Tensor:
        return make_pixel_centres(self.heatmaps(features))

    def heatmaps(self, features: Features) -> Tensor:
        """(N, points, h, w): unnormalised log probabilities of where each point is."""
        maps = features.maps[self.first :]
        size = maps[0].shape[-2:]
        joined = torch.zeros((), device=maps[0].device)
        for convolution, each in zip(self.lateral, maps, strict=True):
            projected = convolution(each)
            if projected.shape[-2:] != size:
                projected = F.interpolate(projected, size, mode="bilinear", align_corners=False)
            joined = joined + projected
        heat: Tensor = self.heat(self.join(joined))
        return heat.float()


def make_pixel_centres(heatmaps: Tensor) -> Tensor:
    """Log probabilities (N, K, h, w) -> centres of mass (N, K, 2), x and y as shares of the image's sides.

    >>> make_pixel_centres(torch.zeros(1, 1, 4, 4)).tolist()
    [[[0.5, 0.5]]]
    """
    height, width = heatmaps.shape[-2:]
    shares = heatmaps.flatten(2).softmax(-1).view_as(heatmaps)
    x = (torch.arange(width, device=heatmaps.device) + 0.5) / width
    y = (torch.arange(height, device=heatmaps.device) + 0.5) / height
    return torch.stack([(shares.sum(2) * x).sum(-1), (shares.sum(3) * y).sum(-1)], -1)


def compute_image_diagonal(size: tuple[int, int]) -> float:
    """Of an image (H, W), in pixels."""
    return math.hypot(*size)
