"""Networks of a training loop by hand: plain heads on a trunk of ours; see `benchmarks.quality_loop`."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.backbones import Backbone
from candelabra.config.build import PlainConfig, build_object
from candelabra.heads import Head
from candelabra.types import Features


def make_plain_networks(
    plain: PlainConfig, judges: Mapping[str, Head], image: Tensor
) -> tuple[Backbone, nn.ModuleDict]:
    """The trunk with its published weights, and new heads."""
    trunk: Backbone = build_object(plain["backbone"])
    heads = nn.ModuleDict({name: make_plain_head(trunk, judge) for name, judge in judges.items()})
    trunk.eval(), heads.eval()
    with torch.no_grad():
        first = trunk(image[None])
        for head in heads.values():
            head(first)  # lazy layers take their sizes
    return trunk, heads


class PlainClassifier(nn.Module):
    """A linear layer on the mean of the last map."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels, classes)

    def forward(self, features: Features) -> Tensor:
        scores: Tensor = self.layer(features.final.mean((2, 3)))
        return scores


class PlainBox(nn.Module):
    """Two layers on the last map, which keep where things are: the corners of a box as shares of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(256), nn.ReLU(), nn.Linear(256, 4), nn.Sigmoid())

    def forward(self, features: Features) -> Tensor:
        corners: Tensor = self.layers(features.final)
        return corners


class PlainUNet(nn.Module):
    """A U-Net on the maps of a trunk (Ronneberger et al. 2015): a map for each output at the finest stride.

    Of points, the maps are read by the centre of mass.
    """

    def __init__(self, channels: Sequence[int], outputs: int, points: bool) -> None:
        super().__init__()
        widths = [256, 128, 64, 48, 32]
        self.blocks, coming = nn.ModuleList(), channels[-1]
        for skip, width in zip(reversed(channels[:-1]), widths, strict=False):
            layers = [nn.Conv2d(coming + skip, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            self.blocks.append(nn.Sequential(*layers))
            coming = width
        self.last, self.points = nn.Conv2d(coming, outputs, 1), points

    def forward(self, features: Features) -> Tensor:
        x, *skips = reversed(features.maps)
        for block, skip in zip(self.blocks, skips, strict=True):
            x = block(torch.cat([F.interpolate(x, skip.shape[-2:]), skip], 1))
        maps: Tensor = self.last(x)
        if not self.points:
            return F.interpolate(maps, features.size, mode="bilinear")
        height, width = maps.shape[-2:]
        weights = maps.flatten(2).softmax(2).view_as(maps)
        across = (torch.arange(width) + 0.5) / width
        down = (torch.arange(height) + 0.5) / height
        return torch.stack([(weights.sum(2) * across).sum(2), (weights.sum(3) * down).sum(2)], 2)


def make_plain_head(trunk: Backbone, judge: Head) -> nn.Module:
    """The network for the target of a head of ours."""
    if judge.target in ("mask", "keypoints"):
        count = len(judge.classes if judge.target == "mask" else judge.names)  # type: ignore[arg-type]
        return PlainUNet(trunk.channels, count, judge.target == "keypoints")
    if judge.target == "box":
        return PlainBox()
    return PlainClassifier(trunk.num_features, len(judge.target_info.classes))
