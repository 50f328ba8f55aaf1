"""Colours drawn anew for each sample, and put on whole batches, where they are."""

from typing import cast

import torch
from torch import Tensor

from candelabra.types import Sample

_GREY = (0.299, 0.587, 0.114)  # what red, green and blue add to how bright a pixel looks (ITU-R BT.601)


class ColourJitter:
    """Draws factors of brightness, contrast and saturation from [1 - x, 1 + x]; `jitter_batch` puts them on.

    As torchvision's ColorJitter, but always in this order, after what else is done to a sample, and what leaves the
    range on the way is cut off at the end: all three are then one linear map of a pixel.

    Args:
        brightness, contrast, saturation: x of each, 0 to 1.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        self.limits = (brightness, contrast, saturation)

    def __repr__(self) -> str:
        return f"Tint{self.limits}"

    def __call__(self, sample: Sample) -> Sample:
        return {**sample, "colours": 1 + (2 * torch.rand(3) - 1) * torch.tensor(self.limits)}


def jitter_batch(sample: Sample) -> Sample:
    """A sample, or a batch on its device, with the colours that were drawn for it; itself where none were."""
    if "colours" not in sample:
        return sample
    image, factors = sample["image"].as_subclass(Tensor), sample["colours"]
    one_by_one = image.ndim == 4 and image.device.type == "cpu"  # temporaries of a whole batch leave its caches
    made = _each(image, factors) if one_by_one else jitter_image(image, factors)
    plain = {key: value for key, value in sample.items() if key != "colours"}
    return cast(Sample, {**plain, "image": made})


def _each(images: Tensor, factors: Tensor) -> Tensor:
    made = torch.empty_like(images)
    for place, (image, each) in enumerate(zip(images, factors, strict=True)):
        made[place] = jitter_image(image.contiguous(), each)
    return made


def jitter_image(image: Tensor, factors: Tensor) -> Tensor:
    """(..., 3, H, W) uint8 -> the same with factors (..., 3) of brightness, contrast and saturation.

    Brightness multiplies a pixel, contrast its distance from the image's mean grey, saturation its distance from its
    own grey. An image becomes the same in whatever batch it is, bit for bit: sums are of whole numbers, and exact.
    """
    brightness, contrast, saturation = factors[..., None, None, None].unbind(-4)
    pixels = image.float()
    rows = pixels.sum(-1, keepdim=True)
    sums = (rows if rows.device.type == "mps" else rows.double()).sum(-2, keepdim=True)  # Apple's GPUs have no float64
    mean = (_grey(sums) / (image.shape[-2] * image.shape[-1])).float()
    shift = _grey(pixels) * (brightness * contrast * (1 - saturation))
    shift += (1 - contrast) * brightness * mean + 0.5  # and to the nearest whole number
    pixels *= brightness * contrast * saturation
    return pixels.add_(shift).clamp_(0, 255).to(torch.uint8)


def _grey(pixels: Tensor) -> Tensor:
    """(..., 3, h, w) -> (..., 1, h, w)."""
    red, green, blue = pixels.narrow(-3, 0, 1), pixels.narrow(-3, 1, 1), pixels.narrow(-3, 2, 1)
    return red * _GREY[0] + green * _GREY[1] + blue * _GREY[2]
