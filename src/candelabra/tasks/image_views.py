"""Random views of images, for tasks that learn what the views of an image have in common."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional

from candelabra.data.transforms.colour_jitter import jitter_image
from candelabra.errors import CandelabraError
from candelabra.tasks.image_corruption import ImageChange

_RATIO = math.log(4 / 3)  # of width and height of a crop, at most
_DRAWS = 10  # numbers that a view is drawn from


@dataclass(frozen=True)
class ImageViews(ImageChange):
    """Two views of each image: a crop brought to its size, mirrored, in other colours, grey or blurred.

    The recipe of SimCLR (Chen et al. 2020) without its shift of hue. In evaluation the image itself comes third, and
    the views are the same in each epoch.

    Args:
        crop: smallest share of the area of an image that a view shows, above 0 up to 1.
        flip: whether half of the views are mirrored.
        colours: how far brightness, contrast and saturation go from 1, 0 to 1.
        grey: share of views without colour.
        blur: probability that all views of a batch are blurred, by a Gaussian of a standard deviation up to 2 pixels.
    """

    crop: float = 0.2
    flip: bool = True
    colours: float = 0.4
    grey: float = 0.2
    blur: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise CandelabraError(f"crop={self.crop} is no share of an image; allowed is above 0 up to 1.")
        for name in ("colours", "grey", "blur"):
            if not 0 <= getattr(self, name) <= 1:
                raise CandelabraError(f"{name}={getattr(self, name)} must be from 0 to 1.")

    def __call__(self, images: Tensor, training: bool = True) -> Tensor:
        """Two views of each image (N, 2, 3, H, W), in evaluation the image too (N, 3, 3, H, W), uint8.

        Numbers are drawn on the CPU, so views do not depend on the device.
        """
        generator = None if training else torch.Generator().manual_seed(0)
        views = [self._draw_view(images, torch.rand(len(images), _DRAWS, generator=generator)) for _ in range(2)]
        return torch.stack(views if training else [*views, _convert_to_bytes(images)], 1)

    def _draw_view(self, images: Tensor, drawn: Tensor) -> Tensor:
        """A view (N, 3, H, W) of each image, from numbers in [0, 1) (N, _DRAWS)."""
        pixels = images / 255 if images.dtype == torch.uint8 else images
        places = self._draw_places(drawn[:, :5]).to(pixels.device, non_blocking=True)
        grid = F.affine_grid(places, list(pixels.shape), align_corners=False)
        pixels = F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
        factors = 1 + (2 * drawn[:, 5:8] - 1) * self.colours
        factors[:, 2] *= drawn[:, 8] >= self.grey  # without saturation
        pixels = jitter_image(_convert_to_bytes(pixels), factors.to(pixels.device, non_blocking=True))
        if len(drawn) and float(drawn[0, 9]) < self.blur:
            pixels = functional.gaussian_blur(pixels, [7, 7], [0.1 + 1.9 * float(drawn[0, 9]) / self.blur])
        return pixels

    def _draw_places(self, drawn: Tensor) -> Tensor:
        """Affine maps (N, 2, 3) from the sides of a view to those of its image, both from -1 to 1."""
        area = self.crop + (1 - self.crop) * drawn[:, 0]
        stretch = torch.exp((2 * drawn[:, 1] - 1) * _RATIO / 2)
        width, height = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
        mirrored = torch.where(drawn[:, 4] < 0.5, -1.0, 1.0) if self.flip else torch.ones(len(drawn))
        zero = torch.zeros(len(drawn))
        x, y = (2 * drawn[:, 2] - 1) * (1 - width), (2 * drawn[:, 3] - 1) * (1 - height)
        return torch.stack([torch.stack([width * mirrored, zero, x], 1), torch.stack([zero, height, y], 1)], 1)


def _convert_to_bytes(images: Tensor) -> Tensor:
    return images if images.dtype == torch.uint8 else (255 * images).round().clamp(0, 255).to(torch.uint8)
