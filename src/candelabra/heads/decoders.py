"""Decoders of segmentation-models-pytorch that take a pyramid, each as a function of its own parameters.

Each takes the channels of a pyramid (a placeholder for the image first, then the maps, finest first) and returns
the decoder and the channels of what it makes. The library is imported only where a mask head is built.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

BuiltDecoder = tuple[nn.Module, int]


def fit_widths(widths: Sequence[int], depth: int) -> list[int]:
    """As many widths as the pyramid has steps; a backbone without a fine map needs fewer."""
    return [widths[0]] * (depth - len(widths)) + list(widths[max(0, len(widths) - depth) :])


def unet(
    channels: Sequence[int], widths: Sequence[int] = (128, 96, 64, 48), interpolation: str = "nearest"
) -> BuiltDecoder:
    """U-Net (Ronneberger et al. 2015).

    Args:
        channels: see above.
        widths: of the blocks, from the coarsest map on; each doubles the side. With as many as there are maps the last
            block has the side of the image, where it costs as much as all others; with one fewer it ends at the finest
            map.
        interpolation: how sides are doubled.
    """
    from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

    widths = list(widths[max(0, len(widths) - len(channels) + 1) :])
    return UnetDecoder(channels, widths, len(widths), interpolation_mode=interpolation), widths[-1]


def unetplusplus(channels: Sequence[int], widths: Sequence[int] = (128, 64, 48, 32, 16)) -> BuiltDecoder:
    """U-Net++ (Zhou et al. 2018)."""
    from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder

    widths = fit_widths(widths, len(channels) - 1)
    return UnetPlusPlusDecoder(channels, widths, len(widths)), widths[-1]


def manet(channels: Sequence[int], widths: Sequence[int] = (128, 64, 48, 32, 16)) -> BuiltDecoder:
    """MA-Net (Fan et al. 2020)."""
    from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder

    widths = fit_widths(widths, len(channels) - 1)
    return MAnetDecoder(list(channels), widths, len(widths)), widths[-1]


def linknet(channels: Sequence[int], width: int = 32) -> BuiltDecoder:
    """LinkNet (Chaurasia & Culurciello 2017)."""
    from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder

    return LinknetDecoder(list(channels), width, len(channels) - 1), width


def fpn(channels: Sequence[int], pyramid_width: int = 128, width: int = 64, dropout: float = 0.2) -> BuiltDecoder:
    """Feature pyramid (Lin et al. 2017; Kirillov et al. 2017)."""
    from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder

    return FPNDecoder(list(channels), len(channels) - 1, pyramid_width, width, dropout), width


def pan(channels: Sequence[int], width: int = 32) -> BuiltDecoder:
    """Pyramid attention (Li et al. 2018); it halves the last map three times, so images need 256 pixels a side."""
    from segmentation_models_pytorch.decoders.pan.decoder import PANDecoder

    return PANDecoder(channels, 5 if len(channels) > 5 else 4, width), width


def upernet(channels: Sequence[int], width: int = 128) -> BuiltDecoder:
    """UPerNet (Xiao et al. 2018)."""
    from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder

    return UPerNetDecoder(channels, len(channels) - 1, width), width


def segformer(channels: Sequence[int], width: int = 128) -> BuiltDecoder:
    """SegFormer's all-linear decoder (Xie et al. 2021)."""
    from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder

    return SegformerDecoder(list(channels), len(channels) - 1, width), width


def deeplabv3plus(channels: Sequence[int], width: int = 128, rates: Sequence[int] = (2, 4, 6)) -> BuiltDecoder:
    """DeepLabV3+ (Chen et al. 2018); the paper's backbone ends in stride 16, ours is brought there by resampling."""
    from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3PlusDecoder

    return _FourTimesCoarser(DeepLabV3PlusDecoder(list(channels), 5, width, tuple(rates), 16, True, 0.5)), width


class _FourTimesCoarser(nn.Module):
    """Resamples the last map to a quarter of the size of the third, as DeepLabV3+ expects it."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        size = [side // 4 for side in features[2].shape[-2:]]
        last = F.interpolate(features[-1], size, mode="bilinear", align_corners=False)
        decoded: Tensor = self.decoder([*features[:-1], last])
        return decoded
