"""Ways to double the size of maps, each a module that keeps their channels."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from candelabra.errors import CandelabraError, list_nearest

Upsampling = Literal["nearest", "bilinear", "bed_of_nails", "max_unpool", "transposed", "pixel_shuffle"]
UPSAMPLINGS = ("nearest", "bilinear", "bed_of_nails", "max_unpool", "transposed", "pixel_shuffle")


class UpsampleMaps(nn.Module):
    """Doubles maps (N, C, h, w) to (N, C, 2h, 2w).

    - `nearest` repeats each value, `bilinear` interpolates between them.
    - `bed_of_nails` puts each value at the upper left of four places, the others being 0.
    - `max_unpool` puts it where the largest of four values of a finer map is (Zeiler et al. 2011; SegNet,
      Badrinarayanan et al. 2017).
    - `transposed` is a transposed convolution of kernel 2 and stride 2 that is learned: its kernels do not overlap,
      which leaves no checkerboard of unequal counts (Odena et al. 2016).
    - `pixel_shuffle` is a learned convolution to four times the channels, which become places (Shi et al. 2016); it
      begins as `nearest` (Aitken et al. 2017).

    Args:
        kind: of these.
        channels: C.

    Raises:
        CandelabraError: there is no such kind.
    """

    def __init__(self, kind: Upsampling, channels: int) -> None:
        super().__init__()
        if kind not in UPSAMPLINGS:
            raise CandelabraError(f"upsample={kind} is not known; allowed are {list_nearest(kind, UPSAMPLINGS)}.")
        self.kind = kind
        if kind == "transposed":
            self.learned: nn.Module = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        elif kind == "pixel_shuffle":
            convolution = nn.Conv2d(channels, 4 * channels, 1)
            with torch.no_grad():
                for parameter in convolution.parameters():
                    parameter.copy_(parameter[::4].repeat_interleave(4, 0))
            self.learned = nn.Sequential(convolution, nn.PixelShuffle(2))

    def forward(self, maps: Tensor, finer: Tensor | None = None) -> Tensor:
        """Maps (N, C, h, w) -> (N, C, 2h, 2w).

        Args:
            maps: to be doubled.
            finer: (N, D, 2h, 2w), for `max_unpool`: the mean of its channels says which place is the largest.
        """
        if self.kind in ("nearest", "bilinear"):
            smooth = {"align_corners": False} if self.kind == "bilinear" else {}
            return F.interpolate(maps, scale_factor=2, mode=self.kind, **smooth)
        if self.kind == "bed_of_nails" or (self.kind == "max_unpool" and finer is None):
            return insert_zeros(maps)
        if self.kind == "max_unpool":
            _, places = F.max_pool2d(finer.mean(1, keepdim=True), 2, return_indices=True)  # type: ignore[union-attr]
            return F.max_unpool2d(maps, places.expand_as(maps), [2, 2])
        learned: Tensor = self.learned(maps)
        return learned


def insert_zeros(maps: Tensor, stride: int = 2) -> Tensor:
    """Maps (..., h, w) with `stride` - 1 zeros below and to the right of each value: (..., stride * h, stride * w).

    >>> insert_zeros(torch.tensor([[1, 2], [3, 4]])).tolist()
    [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    """
    height, width = maps.shape[-2:]
    spread = maps.new_zeros(*maps.shape[:-2], stride * height, stride * width)
    spread[..., ::stride, ::stride] = maps
    return spread
