"""A feature pyramid on a backbone: maps of strides 8, 16, 32 and 64, for heads that find objects of all sizes."""

import math

from torch import Tensor, nn
from torchvision.ops import FeaturePyramidNetwork

from candelabra.backbones.backbone import Backbone, keep_float32_convolutions
from candelabra.heads.pyramid import resample
from candelabra.types import Features, Size

PYRAMID_STRIDES = (8, 16, 32, 64)


class FeaturePyramid(nn.Module):
    """Feature pyramid network (Lin et al. 2017) on the maps of any backbone.

    Each stride that the backbone has gets its deepest map of about this stride; the maps of a ViT, which share one, are
    resampled (as in ViTDet, Li et al. 2022). Coarser levels are strided convolutions of the level before.

    Args:
        backbone: of which channels and strides are read.
        width: channels of each level.
    """

    def __init__(self, backbone: Backbone, width: int = 128) -> None:
        super().__init__()
        flat = len(set(backbone.strides)) < len(backbone.strides)
        coarsest = 32 if flat else max(backbone.strides)
        lateral = [stride for stride in PYRAMID_STRIDES[:-1] if stride <= max(coarsest, PYRAMID_STRIDES[0])]
        count = len(backbone.strides)
        self.maps = [
            max(count - len(lateral) + place, 0) if flat else _find_map(backbone.strides, stride)
            for place, stride in enumerate(lateral)
        ]
        self.fusion = FeaturePyramidNetwork([backbone.channels[i] for i in self.maps], width)
        coarser = len(PYRAMID_STRIDES) - len(lateral)
        self.coarser = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for _ in range(coarser))
        keep_float32_convolutions(self.coarser)

    def forward(self, features: Features) -> list[Tensor]:
        """Features of N images of (H, W) -> maps (N, width, ceil(H / s), ceil(W / s)) for each s of PYRAMID_STRIDES."""
        sizes = measure_levels(features.size)
        maps = {str(place): resample(features.maps[number], sizes[place]) for place, number in enumerate(self.maps)}
        levels: list[Tensor] = list(self.fusion(maps).values())
        for convolution in self.coarser:
            levels.append(convolution(levels[-1]))
        return levels


def measure_levels(size: Size) -> list[tuple[int, int]]:
    """(h, w) of each level of the pyramid of images of (H, W) = `size`."""
    return [(math.ceil(size[0] / stride), math.ceil(size[1] / stride)) for stride in PYRAMID_STRIDES]


def count_groups(width: int) -> int:
    """Groups of four channels for group normalisation; torch refuses groups of one on a level of a single pixel."""
    return math.gcd(width, max(width // 4, 1))


def _find_map(strides: list[int], wanted: int) -> int:
    """The deepest map of those whose stride is nearest."""
    return min(range(len(strides)), key=lambda i: (abs(math.log2(strides[i] / wanted)), -i))
