"""A decoder on a backbone's pyramid: what heads with one output a pixel share."""

import math
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.types import Features


class PyramidDecoder(nn.Module):
    """Decodes the feature maps of a backbone, whatever their strides and the size of the images.

    Args:
        backbone: of which channels and strides are read.
        decoder: builds the decoder from the channels of the pyramid; see `candelabra.heads.decoders`.

    Attributes:
        width: channels of the result.
    """

    def __init__(self, backbone: Backbone, decoder: Callable[[Sequence[int]], BuiltDecoder] = unet) -> None:
        super().__init__()
        self.maps = [i for i, stride in enumerate(backbone.strides) if stride > 1]
        strides = [backbone.strides[i] for i in self.maps]
        # A ViT's maps share one stride: they are resampled to a pyramid (as in ViTDet, Li et al. 2022).
        flat = len(set(strides)) < len(strides)
        self.strides = [4 * 2**i for i in range(len(strides))] if flat else strides
        self.decoder, self.width = decoder([0, *(backbone.channels[i] for i in self.maps)])

    def forward(self, features: Features) -> Tensor:
        """Features of N images -> (N, width, about H / 2, about W / 2) or finer, as the decoder gives it."""
        height, width = (math.ceil(side / self.strides[-1]) * self.strides[-1] for side in features.size)
        pyramid = [
            resample(features.maps[i], (height // stride, width // stride))
            for i, stride in zip(self.maps, self.strides, strict=True)
        ]
        finest = self.strides[0] // 2  # decoders read only the size of what stands for the image
        image = pyramid[0].new_empty((pyramid[0].shape[0], 0, height // finest, width // finest))
        decoded: Tensor = self.decoder([image, *pyramid])
        return decoded


def resample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, C, h, w) at (H, W) = `size`, bilinearly."""
    if maps.shape[-2:] == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=False)
