"""A small U-Net decoder whose way of upsampling is an option; those of segmentation-models-pytorch only interpolate."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from candelabra.heads.decoders import BuiltDecoder, fit_widths
from candelabra.heads.pyramid import resample
from candelabra.heads.upsampling import UpsampleMaps, Upsampling


def upsampling_unet(
    channels: Sequence[int],
    widths: Sequence[int] = (128, 64, 48, 32, 16),
    upsample: Upsampling = "nearest",
    skips: bool = True,
) -> BuiltDecoder:
    """U-Net (Ronneberger et al. 2015) with a choice of upsampling.

    Args:
        channels: of the pyramid; see `candelabra.heads.decoders`.
        widths: channels after each step, coarsest first.
        upsample: see `UpsampleMaps`.
        skips: whether each step sees the map of the backbone of its size; an auto-encoder's decoder does not.
    """
    widths = fit_widths(widths, len(channels) - 1)
    return UpsamplingUnet(channels, widths, upsample, skips), widths[-1]


class UpsamplingUnet(nn.Module):
    """See `upsampling_unet`."""

    def __init__(self, channels: Sequence[int], widths: Sequence[int], upsample: Upsampling, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        ends = [channels[-1], *widths[:-1]]  # channels before each step
        besides = [*reversed(channels[1:-1]), 0] if skips else [0] * len(widths)
        self.steps = nn.ModuleList(UpsampleMaps(upsample, end) for end in ends)
        self.blocks = nn.ModuleList(
            _make_block(end + beside, width) for end, beside, width in zip(ends, besides, widths, strict=True)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """A placeholder for the image, and maps, finest first -> (N, width, h, w), of the size of the placeholder."""
        placeholder, *pyramid = features
        maps, finer = pyramid[-1], [*reversed(pyramid[:-1]), placeholder]
        for step, block, beside in zip(self.steps, self.blocks, finer, strict=True):
            size = (beside.shape[-2], beside.shape[-1])
            guide = beside if beside.shape[1] and size == (2 * maps.shape[-2], 2 * maps.shape[-1]) else None
            maps = resample(step(maps, guide), size)
            maps = block(torch.cat([maps, beside], 1) if self.skips and beside.shape[1] else maps)
        return maps


def _make_block(given: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (given, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
