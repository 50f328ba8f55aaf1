"""Resize images to one size, and describe the geometry that maps predictions back to their original pixels."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torchvision.transforms.v2 import functional

from candelabra.data.decoding.fitting import crop_image, letterbox_image, stretch_image
from candelabra.data.targets import Labels, ResizeGeometry
from candelabra.data.transforms.crop import RandomCrop, ResizedCrop
from candelabra.data.transforms.sample_geometry import (
    apply_filling,
    apply_geometry,
    drop_invisible,
    map_targets,
    read_canvas_size,
)
from candelabra.errors import CandelabraError
from candelabra.types import Sample, Size

TransformStep = Callable[[Any], Any]
Resizing = Literal["stretch", "letterbox", "crop"]
_ASPECTS = (0.8, 1.25)  # range of random aspect ratios of crops


class ResizeMethod(ABC):
    """A way to bring images and their targets to (H, W) = `size`.

    Args:
        size: (H, W) in pixels.
    """

    def __init__(self, size: Size) -> None:
        self.size = size

    @abstractmethod
    def eval_steps(self, labels: Labels) -> list[TransformStep]:
        """Return the steps for evaluation, and for training without augmentation."""

    @abstractmethod
    def train_steps(self, labels: Labels, least: float) -> list[TransformStep]:
        """Return the steps for training: a random crop of at least this fraction of the area that evaluation uses."""

    @abstractmethod
    def view(self, original: Size) -> ResizeGeometry:
        """Return the geometry of `eval_steps` for an image of (H, W) = `original`."""


class Stretch(ResizeMethod):
    """Stretch the whole image, without keeping its aspect ratio."""

    def eval_steps(self, labels: Labels) -> list[TransformStep]:
        return [ResizedCrop(labels, self.size)]

    def train_steps(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomCrop(labels, self.size, scale=(least, 1.0), ratio=_ASPECTS)]

    def view(self, original: Size) -> ResizeGeometry:
        return ResizeGeometry(original, *stretch_image(original, self.size), self.size)


class Letterbox(ResizeMethod):
    """Scale the whole image, keep its aspect ratio, and pad it with grey; the padding of a mask is not labelled."""

    def eval_steps(self, labels: Labels) -> list[TransformStep]:
        return [PlacedImage(labels, self)]

    def train_steps(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomPartResize(labels, least), PlacedImage(labels, self)]

    def view(self, original: Size) -> ResizeGeometry:
        return ResizeGeometry(original, *letterbox_image(original, self.size), self.size)


class Crop(ResizeMethod):
    """Crop the largest centred part with the aspect ratio of `size`; labels outside of it are dropped."""

    def eval_steps(self, labels: Labels) -> list[TransformStep]:
        return [PlacedImage(labels, self)]

    def train_steps(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomPartResize(labels, least, self.size[1] / self.size[0]), ResizedCrop(labels, self.size)]

    def view(self, original: Size) -> ResizeGeometry:
        return ResizeGeometry(original, *crop_image(original, self.size), self.size)


RESIZE_METHODS: Mapping[str, type[ResizeMethod]] = {"stretch": Stretch, "letterbox": Letterbox, "crop": Crop}


def make_resize(word: str, size: Size) -> ResizeMethod:
    """Make the resize method that `data.resize` names.

    Raises:
        CandelabraError: the name is unknown.
    """
    if word not in RESIZE_METHODS:
        raise CandelabraError(f"data.resize={word} is not known; allowed are {', '.join(RESIZE_METHODS)}.")
    return RESIZE_METHODS[word](size)


class PlacedImage:
    """Scale a sample and pad or crop it as given by a `ResizeGeometry`.

    Args:
        labels: targets that are transformed with the image.
        resize: computes the geometry.
    """

    def __init__(self, labels: Labels, resize: ResizeMethod) -> None:
        self.labels, self.resize = labels, resize

    def __repr__(self) -> str:
        return f"Placed({type(self.resize).__name__}, {self.resize.size})"

    def __call__(self, sample: Sample) -> Sample:
        view = self.resize.view(read_canvas_size(sample))
        (top, left), whole = view.corner, (0, 0, *view.original)
        # torchvision resizes masks by the upper left pixel, half a pixel beside the image
        moved = map_targets(sample, self.labels, lambda target, v: target.crop_and_resize(v, whole, view.scaled))
        image = functional.resize(sample["image"], size=list(view.scaled), antialias=True)
        sample = {**moved, "image": image}
        if top < 0 or left < 0:
            sample = apply_geometry(
                sample, self.labels, functional.crop, max(-top, 0), max(-left, 0), *map(min, view.size, view.scaled)
            )
        below, right = (view.size[axis] - view.scaled[axis] - max(view.corner[axis], 0) for axis in (0, 1))
        if min(top, left) >= 0 and max(top, left, below, right) > 0:
            sample = apply_filling(sample, self.labels, functional.pad, [left, top, right, below])
        return sample


class RandomPartResize:
    """Crop a random part of a sample; labels outside of it are dropped.

    Args:
        labels: targets that are transformed with the image.
        least: smallest fraction of the area of the largest part with the same aspect ratio, in (0, 1].
        aspect: width / height of the part before a random factor; null for the aspect ratio of the image.
    """

    def __init__(self, labels: Labels, least: float, aspect: float | None = None) -> None:
        self.labels, self.least, self.aspect = labels, least, aspect

    def __repr__(self) -> str:
        return f"RandomPart({self.least}, {self.aspect})"

    def __call__(self, sample: Sample) -> Sample:
        height, width = read_canvas_size(sample)
        low, high = _ASPECTS
        aspect = (self.aspect or width / height) * math.exp(_draw_uniform(math.log(low), math.log(high)))
        side = math.sqrt(_draw_uniform(self.least, 1.0))
        full = min(height, width / aspect)  # the height of the largest part
        part = [min(height, max(1, round(full * side))), min(width, max(1, round(full * aspect * side)))]
        corner = [int(torch.randint(whole - cut + 1, ())) for whole, cut in zip((height, width), part, strict=True)]
        return drop_invisible(apply_geometry(sample, self.labels, functional.crop, *corner, *part), self.labels)


def _draw_uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
