"""Crop and resize samples: the step of most pipelines, without the overhead of torchvision's transforms."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets import Labels
from candelabra.data.targets.geometry import Part
from candelabra.data.transforms.sample_geometry import map_targets
from candelabra.types import Sample, Size

_TRIES = 10


class RandomCrop:
    """Crop a random part of a sample and stretch it to one size (Szegedy et al. 2015).

    Equals torchvision's RandomResizedCrop in random draws and pixels, but does not clip boxes at the edge.

    Args:
        labels: targets that are transformed with the image.
        size: (H, W) of the result, in pixels.
        scale: smallest and largest fraction of the area.
        ratio: smallest and largest width / height of the part.
    """

    def __init__(
        self,
        labels: Labels,
        size: Size,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        self.labels, self.size, self.scale, self.ratio = labels, size, scale, ratio

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, {self.scale}, {self.ratio})"

    def __call__(self, sample: Sample) -> Sample:
        part = self.draw_part(sample["image"].shape[-2], sample["image"].shape[-1])
        return crop_and_resize(sample, self.labels, part, self.size)

    def draw_part(self, height: int, width: int) -> Part:
        """Draw top, left, height and width of a part in pixels; the centre of the image if no draw fits."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(_TRIES):
            area = height * width * torch.empty(1).uniform_(*self.scale).item()
            ratio = math.exp(torch.empty(1).uniform_(low, high).item())
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                top = int(torch.randint(0, height - h + 1, size=(1,)).item())
                return top, int(torch.randint(0, width - w + 1, size=(1,)).item()), h, w
        h, w = min(height, round(width / self.ratio[0])), min(width, round(height * self.ratio[1]))
        return (height - h) // 2, (width - w) // 2, h, w


class ResizedCrop:
    """Stretch the whole sample to one size.

    Args:
        labels: targets that are transformed with the image.
        size: (H, W) of the result, in pixels.
    """

    def __init__(self, labels: Labels, size: Size) -> None:
        self.labels, self.size = labels, size

    def __repr__(self) -> str:
        return f"Stretched({self.size})"

    def __call__(self, sample: Sample) -> Sample:
        height, width = sample["image"].shape[-2:]
        return crop_and_resize(sample, self.labels, (0, 0, height, width), self.size)


def crop_and_resize(sample: Sample, labels: Labels, part: Part, size: Size) -> Sample:
    """Crop a part of a sample and resize it to (H, W) = `size`; images by antialiased bilinear interpolation."""
    moved = map_targets(sample, labels, lambda target, value: target.crop_and_resize(value, part, size))
    return {**moved, "image": tv_tensors.Image(_resize(_crop(sample["image"], part), size))}


def _crop(values: Tensor, part: Part) -> Tensor:
    top, left, height, width = part
    return values.as_subclass(Tensor)[..., top : top + height, left : left + width]


def _resize(image: Tensor, size: Size) -> Tensor:
    """Resize (3, h, w) to a new tensor (3, H, W); torch's antialiased resize of uint8 is fastest in channels_last."""
    if image.shape[-2:] == size:
        return image.clone()
    # Not image[None]: the batch stride of such a view is not channels_last for torch, which then returns NCHW memory.
    packed = image.permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)
    return F.interpolate(packed, size, mode="bilinear", antialias=True)[0]
