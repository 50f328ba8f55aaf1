"""Colour jitter: factors are drawn per sample and applied to whole batches on their device."""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from candelabra.types import Sample

_GREY = (0.299, 0.587, 0.114)  # luma coefficients of red, green and blue (ITU-R BT.601)


class ColourJitter:
    """Draw factors of brightness, contrast and saturation from [1 - x, 1 + x]; `jitter_batch` applies them.

    Differs from torchvision's ColorJitter: the order is fixed, the change follows all other transforms, and values are
    clamped once at the end, so that all three are one linear map of a pixel.

    Args:
        brightness, contrast, saturation: x of each, in [0, 1].
    """

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        self.limits = (brightness, contrast, saturation)

    def __repr__(self) -> str:
        return f"Tint{self.limits}"

    def __call__(self, sample: Sample) -> Sample:
        return {**sample, "colours": 1 + (2 * torch.rand(3) - 1) * torch.tensor(self.limits)}


def jitter_batch(sample: Sample) -> Sample:
    """Apply the drawn factors to a sample, or to a batch on its device; return it unchanged if none were drawn."""
    if "colours" not in sample:
        return sample
    image, factors = sample["image"].as_subclass(Tensor), sample["colours"]
    one_by_one = image.ndim == 4 and image.device.type == "cpu"  # temporaries of a whole batch exceed the CPU's caches
    jittered = _jitter_separately(image, factors) if one_by_one else jitter_image(image, factors)
    plain = {key: value for key, value in sample.items() if key != "colours"}
    return cast(Sample, {**plain, "image": jittered})


def _jitter_separately(images: Tensor, factors: Tensor) -> Tensor:
    jittered = torch.empty_like(images)
    for place, (image, each) in enumerate(zip(images, factors, strict=True)):
        jittered[place] = jitter_image(image.contiguous(), each)
    return jittered


def apply_to_bytes(image: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply a function of uint8 images to one of uint8, or to one of floats in [0, 1], which is rounded to 1/255."""
    if not image.is_floating_point():
        return change(image)
    return change((image * 255).round().to(torch.uint8)).to(image.dtype) / 255


def jitter_image(image: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of images.

    Brightness multiplies a pixel, contrast its distance from the image's mean grey, saturation its distance from its
    own grey. The result does not depend on the batch, bit for bit: sums are of integers, and exact.

    Args:
        image: (..., 3, H, W), uint8, or float in [0, 1], which is rounded to 1/255.
        factors: (..., 3) of brightness, contrast and saturation.

    Returns:
        (..., 3, H, W), of the type of the image.
    """
    return apply_to_bytes(image, partial(_jitter_bytes, factors=factors))


def _jitter_bytes(image: Tensor, factors: Tensor) -> Tensor:
    brightness, contrast, saturation = factors[..., None, None, None].unbind(-4)
    pixels = image.float()
    rows = pixels.sum(-1, keepdim=True)
    sums = (rows if rows.device.type == "mps" else rows.double()).sum(-2, keepdim=True)  # Apple's GPUs have no float64
    mean = (_compute_luma(sums) / (image.shape[-2] * image.shape[-1])).float()
    shift = _compute_luma(pixels) * (brightness * contrast * (1 - saturation))
    shift += (1 - contrast) * brightness * mean + 0.5  # + 0.5 rounds to the nearest integer
    pixels *= brightness * contrast * saturation
    return pixels.add_(shift).clamp_(0, 255).to(torch.uint8)


def _compute_luma(pixels: Tensor) -> Tensor:
    """Return the luma (..., 1, h, w) of pixels (..., 3, h, w)."""
    red, green, blue = pixels.narrow(-3, 0, 1), pixels.narrow(-3, 1, 1), pixels.narrow(-3, 2, 1)
    return red * _GREY[0] + green * _GREY[1] + blue * _GREY[2]
