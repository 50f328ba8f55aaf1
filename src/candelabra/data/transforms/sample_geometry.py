"""Apply geometric functions to image and targets of a sample together."""

from collections.abc import Callable
from typing import Any, cast

from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets import Labels, Target
from candelabra.errors import CandelabraError
from candelabra.types import Sample, Size

FILL_GREY = 128  # pixel value outside of an image of uint8
_OTHER_KEYS = frozenset({"image", "colours"})  # of a sample, beside its targets


def read_canvas_size(sample: Sample) -> Size:
    """Return (H, W) of the image."""
    return sample["image"].shape[-2], sample["image"].shape[-1]


def choose_grey(image: Tensor) -> float:
    """Return the pixel value outside of an image: of uint8, or of a float image, which is in [0, 1]."""
    return FILL_GREY / 255 if image.is_floating_point() else FILL_GREY


def map_targets(sample: Sample, labels: Labels, change: Callable[[Target, Tensor], Tensor]) -> Sample:
    """Return the sample with a function applied to the value of each target.

    Raises:
        CandelabraError: the sample has a value of an unknown target, which would not be transformed.
    """
    changed: dict[str, Any] = dict(sample)
    for key, value in sample.items():
        if key in labels:
            changed[key] = change(labels[key], cast(Tensor, value))
        elif key not in _OTHER_KEYS:
            raise CandelabraError(
                f"A sample has {key}, but its targets are {', '.join(labels) or 'none'}; declare it in the labels."
            )
    return changed


def apply_geometry(sample: Sample, labels: Labels, change: Callable[..., Any], *args: Any, **options: Any) -> Sample:
    """Apply a torchvision function to the image and all targets that are `TVTensor`s."""
    moved = map_targets(
        sample, labels, lambda _, v: change(v, *args, **options) if isinstance(v, tv_tensors.TVTensor) else v
    )
    return {**moved, "image": change(sample["image"], *args, **options)}


def apply_filling(sample: Sample, labels: Labels, change: Callable[..., Any], *args: Any, **options: Any) -> Sample:
    """Apply a torchvision function that fills areas outside of the image: images with grey, targets with no label."""

    def fill(target: Target, value: Tensor) -> Tensor:
        if not isinstance(value, tv_tensors.TVTensor):
            return value
        filled: Tensor = change(value, *args, fill=target.fill.get(type(value)), **options)
        return filled

    image = change(sample["image"], *args, fill=choose_grey(sample["image"]), **options)
    return {**map_targets(sample, labels, fill), "image": image}


def drop_invisible(sample: Sample, labels: Labels) -> Sample:
    """Drop labels outside of the image; see `Target.clip`."""
    size = read_canvas_size(sample)
    return map_targets(sample, labels, lambda target, value: target.clip(value, size))
