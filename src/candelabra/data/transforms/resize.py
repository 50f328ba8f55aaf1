"""How images of any size come to one size, and how what a model says of them goes back to their own pixels."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torchvision.transforms.v2 import functional

from candelabra.data.targets import Labels, ResizeGeometry
from candelabra.data.transforms.crop import RandomCrop, ResizedCrop
from candelabra.data.transforms.sample_geometry import apply_filling, apply_geometry, drop_invisible, read_canvas_size
from candelabra.errors import CandelabraError
from candelabra.types import Sample, Size

TransformStep = Callable[[Any], Any]
Resizing = Literal["stretch", "letterbox", "crop"]
_ASPECTS = (0.8, 1.25)  # by which random parts are narrower or wider


class ResizeMethod(ABC):
    """Brings images to (H, W) = `size`, their labels with them.

    Args:
        size: (H, W) in pixels.
    """

    def __init__(self, size: Size) -> None:
        self.size = size

    @abstractmethod
    def whole(self, labels: Labels) -> list[TransformStep]:
        """For images to be judged, and those that are not augmented."""

    @abstractmethod
    def part(self, labels: Labels, least: float) -> list[TransformStep]:
        """For training images: a random part of at least this share of the area that is otherwise shown."""

    @abstractmethod
    def view(self, original: Size) -> ResizeGeometry:
        """Where `whole` puts an image of (H, W) = `original`."""


class Stretch(ResizeMethod):
    """The whole image, whatever that does to its proportions."""

    def whole(self, labels: Labels) -> list[TransformStep]:
        return [ResizedCrop(labels, self.size)]

    def part(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomCrop(labels, self.size, scale=(least, 1.0), ratio=_ASPECTS)]

    def view(self, original: Size) -> ResizeGeometry:
        return ResizeGeometry(original, self.size, (0, 0), self.size)


class Letterbox(ResizeMethod):
    """The whole image in its proportions, in the middle of grey; a mask is not labelled there."""

    def whole(self, labels: Labels) -> list[TransformStep]:
        return [PlacedImage(labels, self)]

    def part(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomPartResize(labels, least), PlacedImage(labels, self)]

    def view(self, original: Size) -> ResizeGeometry:
        factor = min(self.size[0] / original[0], self.size[1] / original[1])
        return _middle(original, factor, self.size)


class Crop(ResizeMethod):
    """The middle of the image in its proportions, as large as fits; what lies outside is not labelled."""

    def whole(self, labels: Labels) -> list[TransformStep]:
        return [PlacedImage(labels, self)]

    def part(self, labels: Labels, least: float) -> list[TransformStep]:
        return [RandomPartResize(labels, least, self.size[1] / self.size[0]), ResizedCrop(labels, self.size)]

    def view(self, original: Size) -> ResizeGeometry:
        factor = max(self.size[0] / original[0], self.size[1] / original[1])
        return _middle(original, factor, self.size)


RESIZE_METHODS: Mapping[str, type[ResizeMethod]] = {"stretch": Stretch, "letterbox": Letterbox, "crop": Crop}


def make_resize(word: str, size: Size) -> ResizeMethod:
    """What `data.resize` names.

    Raises:
        CandelabraError: it names nothing.
    """
    if word not in RESIZE_METHODS:
        raise CandelabraError(f"data.resize={word} is not known; allowed are {', '.join(RESIZE_METHODS)}.")
    return RESIZE_METHODS[word](size)


class PlacedImage:
    """Scales an image as a `ResizeGeometry` says, and pads it or cuts it off.

    Args:
        labels: targets that move with the image.
        resize: gives the geometry.
    """

    def __init__(self, labels: Labels, resize: ResizeMethod) -> None:
        self.labels, self.resize = labels, resize

    def __repr__(self) -> str:
        return f"Placed({type(self.resize).__name__}, {self.resize.size})"

    def __call__(self, sample: Sample) -> Sample:
        view = self.resize.view(read_canvas_size(sample))
        top, left = view.corner
        sample = apply_geometry(sample, self.labels, functional.resize, size=list(view.scaled), antialias=True)
        if top < 0 or left < 0:
            sample = apply_geometry(
                sample, self.labels, functional.crop, max(-top, 0), max(-left, 0), *map(min, view.size, view.scaled)
            )
        below, right = (view.size[axis] - view.scaled[axis] - max(view.corner[axis], 0) for axis in (0, 1))
        if min(top, left) >= 0 and max(top, left, below, right) > 0:
            sample = apply_filling(sample, self.labels, functional.pad, [left, top, right, below])
        return sample


class RandomPartResize:
    """Cuts out a random part of an image; what lies outside is no longer labelled.

    Args:
        labels: targets that move with the image.
        least: share of the area of the largest part of its proportions, above 0 and up to 1.
        aspect: width / height of parts, but for a random factor; null for that of the image.
    """

    def __init__(self, labels: Labels, least: float, aspect: float | None = None) -> None:
        self.labels, self.least, self.aspect = labels, least, aspect

    def __repr__(self) -> str:
        return f"RandomPart({self.least}, {self.aspect})"

    def __call__(self, sample: Sample) -> Sample:
        height, width = read_canvas_size(sample)
        low, high = _ASPECTS
        aspect = (self.aspect or width / height) * math.exp(_uniform(math.log(low), math.log(high)))
        side = math.sqrt(_uniform(self.least, 1.0))
        full = min(height, width / aspect)  # the height of the largest part
        part = [min(height, max(1, round(full * side))), min(width, max(1, round(full * aspect * side)))]
        corner = [int(torch.randint(whole - cut + 1, ())) for whole, cut in zip((height, width), part, strict=True)]
        return drop_invisible(apply_geometry(sample, self.labels, functional.crop, *corner, *part), self.labels)


def _middle(original: Size, factor: float, size: Size) -> ResizeGeometry:
    scaled = (max(1, round(original[0] * factor)), max(1, round(original[1] * factor)))
    return ResizeGeometry(original, scaled, ((size[0] - scaled[0]) // 2, (size[1] - scaled[1]) // 2), size)


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
