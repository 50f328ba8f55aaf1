"""Colours drawn anew for each sample, in one pass over the pixels."""

import torch
from torch import Tensor
from torchvision import tv_tensors

from candelabra.types import Sample

GREY = torch.tensor([0.299, 0.587, 0.114])  # what red, green and blue add to how bright a pixel looks (ITU-R BT.601)


class Jitter:
    """Brightness, contrast and saturation times factors drawn from [1 - x, 1 + x].

    As torchvision's ColorJitter, but always in this order, and what leaves the range on the way is cut off at the end:
    all three are then one linear map of a pixel, three to four times faster.

    Args:
        brightness, contrast, saturation: x of each, 0 to 1.
    """

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        self.limits = (brightness, contrast, saturation)

    def __repr__(self) -> str:
        return f"Jitter{self.limits}"

    def __call__(self, sample: Sample) -> Sample:
        brightness, contrast, saturation = (1 + (2 * torch.rand(3) - 1) * torch.tensor(self.limits)).tolist()
        image = sample["image"].as_subclass(Tensor)
        return {**sample, "image": tv_tensors.Image(coloured(image, brightness, contrast, saturation))}


def coloured(image: Tensor, brightness: float, contrast: float, saturation: float) -> Tensor:
    """(3, H, W) uint8 -> the same with these factors.

    Brightness multiplies a pixel, contrast its distance from the image's mean grey, saturation its distance from its
    own grey.
    """
    pixels = image.reshape(3, -1).float()
    mean = brightness * float(GREY @ pixels.mean(1))
    mixed = brightness * contrast * (saturation * torch.eye(3) + (1 - saturation) * GREY.expand(3, 3))
    offset = torch.full((3, 1), (1 - contrast) * mean + 0.5)  # and to the nearest whole number
    return torch.addmm(offset, mixed, pixels).clamp_(0, 255).to(torch.uint8).view(image.shape)
