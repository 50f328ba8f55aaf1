"""What a task does to images before its backbone sees them: noise, and patches that are painted over."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.errors import CandelabraError

_GREY = 0.5


class ImageChange(ABC):
    """Changes the images of a batch for the backbone alone; true where it does, so that no features are cached."""

    def __bool__(self) -> bool:
        return True

    @abstractmethod
    def __call__(self, images: Tensor, training: bool = True) -> Tensor:
        """Images (N, 3, H, W), uint8 or float in [0, 1] -> what the backbone sees: as many, or V views (N, V, 3, H, W).

        Args:
            images: on any device.
            training: draw from torch's generator, which is seeded for each step; else the same in each epoch.
        """


@dataclass(frozen=True)
class ImageCorruption(ImageChange):
    """Adds noise to images, then paints patches over in grey.

    Args:
        noise: standard deviation of Gaussian noise, where the range of a pixel is 1 (Vincent et al. 2008); 0 for none.
        masked: share of the patches that are painted over, 0 up to, but not, 1 (He et al. 2022).
        patch: side of a patch in pixels.
    """

    noise: float = 0.0
    masked: float = 0.0
    patch: int = 16

    def __post_init__(self) -> None:
        if self.noise < 0:
            raise CandelabraError(f"noise={self.noise} is no standard deviation; give 0 or more.")
        if not 0 <= self.masked < 1:
            raise CandelabraError(f"masked={self.masked} is no share of patches; allowed is 0 up to, but not, 1.")
        if self.patch < 1:
            raise CandelabraError(f"patch={self.patch} must be at least 1 pixel.")

    def __bool__(self) -> bool:
        return self.noise > 0 or self.masked > 0

    def __call__(self, images: Tensor, training: bool = True) -> Tensor:
        """Images as float in [0, 1]; unchanged in evaluation, and where there is nothing to do."""
        if not self or not training:
            return images
        pixels = images / 255 if images.dtype == torch.uint8 else images
        if self.noise:
            pixels = (pixels + self.noise * torch.randn_like(pixels)).clamp(0, 1)
        if self.masked:
            height, width = (-(-side // self.patch) for side in pixels.shape[-2:])
            drawn = torch.rand(len(pixels), height * width, device=pixels.device)
            hidden = drawn.argsort(1).argsort(1) < round(self.masked * height * width)
            cover = F.interpolate(hidden.view(-1, 1, height, width).float(), scale_factor=self.patch)
            pixels = torch.where(cover[..., : pixels.shape[-2], : pixels.shape[-1]] > 0, _GREY, pixels)
        return pixels
