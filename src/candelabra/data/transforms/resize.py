"""How images of any size come to one size, and how what a model says of them goes back to their own pixels."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.transforms.crop import RandomCrop, ResizedCrop
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, Sample

Size = tuple[int, int]  # (H, W) in pixels
TransformStep = Callable[[Any], Any]
Resizing = Literal["stretch", "letterbox", "crop"]
FILL_GREY = 128  # what is seen where there is no image
FILL_VALUES: Mapping[type, int] = {tv_tensors.Image: FILL_GREY, tv_tensors.Mask: IGNORED}
_ASPECTS = (0.8, 1.25)  # by which random parts are narrower or wider


class ResizeGeometry(NamedTuple):
    """Where an image lies in what the model sees.

    Args:
        original: (H, W) of the image.
        scaled: (H, W) of the image, scaled.
        corner: (top, left) of the scaled image in what the model sees; negative where it is cut off.
        size: (H, W) of what the model sees.
    """

    original: Size
    scaled: Size
    corner: Size
    size: Size

    def back(self, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predictions of one image in the pixels of that image; of a mask, what the model did not see is 255.

        The mask of a huge image comes as small as that image can be read; see `opening.divisor`.
        """
        (height, width), (top, left) = self.original, self.corner
        scale = torch.tensor([self.scaled[1] / width, self.scaled[0] / height])
        corner = torch.tensor([float(left), float(top)])
        one = dict(found)
        if "box" in one:
            edges = torch.tensor([float(width), float(height)])
            one["box"] = ((one["box"].view(2, 2) - corner) / scale).clamp(min=0).minimum(edges).flatten()
        if "keypoints" in one:
            one["keypoints"] = (one["keypoints"] - corner) / scale
        if "mask" in one:
            one["mask"] = self._mask(one["mask"])
        return one

    def _mask(self, mask: Tensor) -> Tensor:
        (height, width), (top, left) = self.scaled, self.corner
        whole = torch.full(self.scaled, IGNORED, dtype=torch.uint8)
        rows = slice(max(top, 0), min(top + height, self.size[0]))
        columns = slice(max(left, 0), min(left + width, self.size[1]))
        whole[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = mask[rows, columns]
        scale = choose_divisor(*self.original[::-1])
        shape = (-(-self.original[1] // scale), -(-self.original[0] // scale))
        resized = Image.fromarray(whole.numpy()).resize(shape, Image.Resampling.NEAREST)
        return torch.from_numpy(np.array(resized))


class ResizeMethod(ABC):
    """Brings images to (H, W) = `size`, their labels with them.

    Args:
        size: (H, W) in pixels.
    """

    def __init__(self, size: Size) -> None:
        self.size = size

    @abstractmethod
    def whole(self) -> list[TransformStep]:
        """For images to be judged, and those that are not augmented."""

    @abstractmethod
    def part(self, least: float) -> list[TransformStep]:
        """For training images: a random part of at least this share of the area that is otherwise shown."""

    @abstractmethod
    def view(self, original: Size) -> ResizeGeometry:
        """Where `whole` puts an image of (H, W) = `original`."""


class Stretch(ResizeMethod):
    """The whole image, whatever that does to its proportions."""

    def whole(self) -> list[TransformStep]:
        return [ResizedCrop(self.size)]

    def part(self, least: float) -> list[TransformStep]:
        return [RandomCrop(self.size, scale=(least, 1.0), ratio=_ASPECTS)]

    def view(self, original: Size) -> ResizeGeometry:
        return ResizeGeometry(original, self.size, (0, 0), self.size)


class Letterbox(ResizeMethod):
    """The whole image in its proportions, in the middle of grey; a mask is not labelled there."""

    def whole(self) -> list[TransformStep]:
        return [PlacedImage(self)]

    def part(self, least: float) -> list[TransformStep]:
        return [RandomPartResize(least), PlacedImage(self)]

    def view(self, original: Size) -> ResizeGeometry:
        factor = min(self.size[0] / original[0], self.size[1] / original[1])
        return _middle(original, factor, self.size)


class Crop(ResizeMethod):
    """The middle of the image in its proportions, as large as fits; what lies outside is not labelled."""

    def whole(self) -> list[TransformStep]:
        return [PlacedImage(self)]

    def part(self, least: float) -> list[TransformStep]:
        return [RandomPartResize(least, self.size[1] / self.size[0]), ResizedCrop(self.size)]

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
        resize: gives the view.
    """

    def __init__(self, resize: ResizeMethod) -> None:
        self.resize = resize

    def __repr__(self) -> str:
        return f"Placed({type(self.resize).__name__}, {self.resize.size})"

    def __call__(self, sample: Sample) -> Sample:
        view = self.resize.view(read_canvas_size(sample))
        top, left = view.corner
        sample = apply_geometry(sample, functional.resize, size=list(view.scaled), antialias=True)
        if top < 0 or left < 0:
            sample = apply_geometry(
                sample, functional.crop, max(-top, 0), max(-left, 0), *map(min, view.size, view.scaled)
            )
        below, right = (view.size[axis] - view.scaled[axis] - max(view.corner[axis], 0) for axis in (0, 1))
        if min(top, left) >= 0 and max(top, left, below, right) > 0:
            sample = fill_values(sample, functional.pad, [left, top, right, below])
        return sample


class RandomPartResize:
    """Cuts out a random part of an image; what lies outside is no longer labelled.

    Args:
        least: share of the area of the largest part of its proportions, above 0 and up to 1.
        aspect: width / height of parts, but for a random factor; null for that of the image.
    """

    def __init__(self, least: float, aspect: float | None = None) -> None:
        self.least, self.aspect = least, aspect

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
        return drop_invisible(apply_geometry(sample, functional.crop, *corner, *part))


def read_canvas_size(sample: Sample) -> Size:
    """(H, W) of the image."""
    return sample["image"].shape[-2], sample["image"].shape[-1]


def apply_geometry(sample: Sample, change: Callable[..., Any], *args: Any, **options: Any) -> Sample:
    """Applies one of torchvision's functions to all that has a place."""
    return {
        key: change(value, *args, **options) if isinstance(value, tv_tensors.TVTensor) else value
        for key, value in sample.items()
    }  # type: ignore[return-value]


def fill_values(sample: Sample, change: Callable[..., Any], *args: Any, **options: Any) -> Sample:
    """The same for a function that has to fill places where there is no image: with grey, and with no label."""
    return {
        key: change(value, *args, fill=FILL_VALUES.get(type(value)), **options)
        if isinstance(value, tv_tensors.TVTensor)
        else value
        for key, value in sample.items()
    }  # type: ignore[return-value]


def drop_invisible(sample: Sample) -> Sample:
    """Drops what has left the image: parts of a box, a box whose centre has left, and points."""
    if "box" not in sample and "keypoints" not in sample:
        return sample
    height, width = read_canvas_size(sample)
    edges = torch.tensor([float(width), float(height)])
    seen = dict(cast(dict[str, Any], sample))
    if "box" in seen:
        corners = seen["box"].as_subclass(Tensor).view(2, 2)
        centre = corners.mean(0)
        gone = bool((centre < 0).any() or (centre > edges).any())
        kept = torch.full_like(corners, torch.nan) if gone else corners.clamp(min=0).minimum(edges)
        seen["box"] = tv_tensors.wrap(kept.view(1, 4), like=seen["box"])
    if "keypoints" in seen:
        points = seen["keypoints"].as_subclass(Tensor)
        outside = ((points < 0) | (points > edges)).any(1)
        seen["keypoints"] = tv_tensors.wrap(points.masked_fill(outside[:, None], torch.nan), like=seen["keypoints"])
    return cast(Sample, seen)


def _middle(original: Size, factor: float, size: Size) -> ResizeGeometry:
    scaled = (max(1, round(original[0] * factor)), max(1, round(original[1] * factor)))
    return ResizeGeometry(original, scaled, ((size[0] - scaled[0]) // 2, (size[1] - scaled[1]) // 2), size)


def _uniform(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
