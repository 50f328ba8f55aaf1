"""Transforms that move image, box, keypoints and mask together; torchvision's, and the little it lacks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.colour import Jitter
from candelabra.data.cropping import RandomCrop, Stretch
from candelabra.errors import CandelabraError
from candelabra.types import Sample

SMALLEST = 0.5  # share of the image that a crop of `light` keeps at least
Augmentation = Literal["none", "light"]


def training(augment: Augmentation, size: tuple[int, int], mirror: Sequence[int], flip: bool) -> "Pipeline":
    """What a training image goes through, ending in (H, W) = `size`.

    Args:
        augment: none, or light (a random crop of at least half the image, colours, and a mirror image).
        size: (H, W) in pixels.
        mirror: see `Labels`.
        flip: a mirror image of the scene means the same (not so for digits).
    """
    if augment == "none":
        return evaluation(size)
    if augment != "light":
        raise CandelabraError(f"data.augment={augment} is not known; allowed are none and light.")
    steps: list[Callable[[Any], Any]] = [
        RandomCrop(size, scale=(SMALLEST, 1.0), ratio=(0.8, 1.25)),
        Jitter(brightness=0.2, contrast=0.2, saturation=0.2),
    ]
    return Pipeline([*steps, Mirror(mirror)] if flip else steps, least=enough(size, SMALLEST))


def evaluation(size: tuple[int, int]) -> "Pipeline":
    """What an image to be judged goes through: stretched to (H, W) = `size`."""
    return Pipeline([Stretch(size)], fixed=True, least=size)


def enough(size: tuple[int, int], share: float) -> tuple[int, int]:
    """(H, W) that an image may be read at so that a crop of this share of it need not be enlarged to `size`.

    >>> enough((224, 224), 0.5)
    (317, 317)
    """
    return math.ceil(size[0] / math.sqrt(share)), math.ceil(size[1] / math.sqrt(share))


class Preparation(ABC):
    """What the samples of one split go through.

    Attributes:
        fixed: nothing is drawn, so one sample always becomes the same.
    """

    fixed: bool

    @abstractmethod
    def of(self, index: int) -> "Pipeline":
        """What the sample of this index goes through."""


class Pipeline(Preparation):
    """Runs transforms on one sample, then drops what left the image and unwraps the tensors.

    Args:
        steps: transforms of torchvision's v2 on dictionaries of `tv_tensors`.
        fixed: nothing is drawn, so one sample always becomes the same.
        least: (H, W) in pixels that an image may be read at, where it is larger; null for its own size.
    """

    def __init__(
        self, steps: Sequence[Callable[[Any], Any]], fixed: bool = False, least: tuple[int, int] | None = None
    ) -> None:
        self.steps, self.fixed, self.least = steps, fixed, least

    def __repr__(self) -> str:
        return f"Pipeline({', '.join(repr(step) for step in self.steps)}, least={self.least})"

    def of(self, index: int) -> "Pipeline":
        return self

    def __call__(self, sample: Sample) -> Sample:
        for step in self.steps:
            sample = step(sample)
        height, width = sample["image"].shape[-2:]
        if "box" in sample:
            sample["box"] = _inside(sample["box"].as_subclass(Tensor)[0], height, width)
        if "keypoints" in sample:
            points = sample["keypoints"].as_subclass(Tensor)
            outside = (points < 0).any(1) | (points[:, 0] > width) | (points[:, 1] > height)
            sample["keypoints"] = points.masked_fill(outside[:, None], torch.nan)
        if "mask" in sample:
            sample["mask"] = sample["mask"].as_subclass(Tensor)
        sample["image"] = sample["image"].as_subclass(Tensor)
        return sample


def _inside(box: Tensor, height: int, width: int) -> Tensor:
    """The part of a box inside the image; not labelled where its centre has left the image."""
    centre = (box[:2] + box[2:]) / 2
    if (centre < 0).any() or centre[0] > width or centre[1] > height:
        return torch.full_like(box, torch.nan)
    return torch.stack(
        [box[0].clamp(0, width), box[1].clamp(0, height), box[2].clamp(0, width), box[3].clamp(0, height)]
    )


class Mirror:
    """Mirrors half of all samples left to right; sided points then swap names, which torchvision leaves to us.

    Args:
        mirror: for each point, the index of the point it becomes.
        share: of samples mirrored, 0 to 1.
    """

    def __init__(self, mirror: Sequence[int], share: float = 0.5) -> None:
        self.mirror, self.share = list(mirror), share

    def __repr__(self) -> str:
        return f"Mirror({self.mirror}, {self.share})"

    def __call__(self, sample: Sample) -> Sample:
        if torch.rand(()) >= self.share:
            return sample
        mirrored: Sample = {
            key: functional.horizontal_flip(value) if isinstance(value, tv_tensors.TVTensor) else value
            for key, value in sample.items()
        }  # type: ignore[assignment]
        if "keypoints" in mirrored and self.mirror:
            mirrored["keypoints"] = tv_tensors.wrap(mirrored["keypoints"][self.mirror], like=mirrored["keypoints"])
        return mirrored
