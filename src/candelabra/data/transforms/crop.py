"""A part of an image, resized: the step that most samples go through, without torchvision's cost a call."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import tv_tensors

from candelabra.types import Sample

_TRIES = 10


class RandomCrop:
    """A random part of the image, stretched to one size (Szegedy et al. 2015), with all that is labelled in it.

    Draws what torchvision's RandomResizedCrop draws, and gives its pixels; boxes are not cut off at the edge.

    Args:
        size: (H, W) of the result, in pixels.
        scale: least and largest share of the area.
        ratio: least and largest width / height of the part.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
    ) -> None:
        self.size, self.scale, self.ratio = size, scale, ratio

    def __repr__(self) -> str:
        return f"RandomCrop({self.size}, {self.scale}, {self.ratio})"

    def __call__(self, sample: Sample) -> Sample:
        return crop_and_resize(sample, self.drawn(sample["image"].shape[-2], sample["image"].shape[-1]), self.size)

    def drawn(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Top, left, height and width of a part; the middle of the image where no part of these shapes is found."""
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
    """The whole image at one size.

    Args:
        size: (H, W) of the result, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"Stretched({self.size})"

    def __call__(self, sample: Sample) -> Sample:
        height, width = sample["image"].shape[-2:]
        return crop_and_resize(sample, (0, 0, height, width), self.size)


def crop_and_resize(sample: Sample, part: tuple[int, int, int, int], size: tuple[int, int]) -> Sample:
    """A part of a sample (top, left, height, width) at (H, W) = `size`; an image by antialiased bilinear filtering."""
    top, left, height, width = part
    made: Sample = {**sample, "image": tv_tensors.Image(_filtered(_cut(sample["image"], part), size))}
    if "box" in sample or "keypoints" in sample:
        scale = torch.tensor([size[1] / width, size[0] / height])
        corner = torch.tensor([left, top], dtype=torch.float32)
    if "box" in sample:
        moved = ((sample["box"].as_subclass(Tensor).view(2, 2) - corner) * scale).view(1, 4)
        made["box"] = tv_tensors.BoundingBoxes(moved, format="XYXY", canvas_size=size, clamping_mode=None)
    if "keypoints" in sample:
        moved = (sample["keypoints"].as_subclass(Tensor) - corner) * scale
        made["keypoints"] = tv_tensors.KeyPoints(moved, canvas_size=size)
    if "mask" in sample:
        mask = _cut(sample["mask"], part)
        made["mask"] = tv_tensors.Mask(F.interpolate(mask[None, None], size, mode="nearest")[0, 0])
    return made


def _cut(values: Tensor, part: tuple[int, int, int, int]) -> Tensor:
    top, left, height, width = part
    return values.as_subclass(Tensor)[..., top : top + height, left : left + width]


def _filtered(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) -> (3, H, W), new; pixel by pixel in memory, as decoders give them, torch does it fastest."""
    if image.shape[-2:] == size:
        return image.clone()
    packed = image.permute(1, 2, 0).contiguous()[None].permute(0, 3, 1, 2)
    return F.interpolate(packed, size, mode="bilinear", antialias=True)[0]
