"""RandAugment and TrivialAugment for images with targets; torchvision's versions transform the image only."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode, functional

from candelabra.data.targets import Labels
from candelabra.data.transforms.colour_jitter import apply_to_bytes
from candelabra.data.transforms.sample_geometry import apply_filling, drop_invisible, read_canvas_size
from candelabra.types import Sample

_BINS = 31  # strength levels, as in torchvision
ImageChange = Callable[[Sample, Labels, float], Sample]


class AugmentOperation(NamedTuple):
    """One operation of an augmentation policy.

    Args:
        change: maps a sample, its targets and a magnitude to a sample.
        most: magnitude at full strength.
        signed: whether the magnitude gets a random sign.
        moves: whether the operation moves pixels.
        turns: whether upright boxes do not stay tight, as after rotation and shear.
    """

    change: ImageChange
    most: float = 0.0
    signed: bool = False
    moves: bool = False
    turns: bool = False


class AugmentPolicy:
    """Apply randomly drawn operations to a sample; image and targets are transformed together.

    Args:
        name: key of `AUGMENT_TABLES`.
        count: number of operations per sample.
        strength: of all operations, in [0, 1]; null draws it for each operation.
        upright: whether to leave out rotation and shear.
        labels: targets that are transformed with the image.
    """

    def __init__(self, name: str, count: int, strength: float | None, upright: bool, labels: Labels) -> None:
        self.name, self.count, self.strength, self.upright, self.labels = name, count, strength, upright, labels
        self.operations: Sequence[AugmentOperation] = [
            each for each in AUGMENT_TABLES[name].values() if not (upright and each.turns)
        ]

    def __repr__(self) -> str:
        return f"Policy({self.name}, {self.count}, {self.strength}, {self.upright})"

    def __call__(self, sample: Sample) -> Sample:
        for _ in range(self.count):
            operation = self.operations[int(torch.randint(len(self.operations), ()))]
            drawn = float(torch.randint(_BINS, ())) / (_BINS - 1)
            magnitude = operation.most * (drawn if self.strength is None else self.strength)
            if operation.signed and torch.rand(()) < 0.5:
                magnitude = -magnitude
            # The next operation could move labels outside of the image back, where the image is only grey.
            seen = drop_invisible(sample, self.labels) if operation.moves else sample
            sample = operation.change(seen, self.labels, magnitude)
        return sample


def _recolour(change: Callable[..., torch.Tensor]) -> ImageChange:
    """Wrap a function that changes the colours of an image of uint8 and moves no pixels; see `apply_to_bytes`."""

    def apply_change(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        changed = apply_to_bytes(sample["image"], lambda image: change(image, magnitude))
        return {**sample, "image": tv_tensors.wrap(changed, like=sample["image"])}

    return apply_change


def _apply_affine(
    sample: Sample, labels: Labels, angle: float = 0.0, x: int = 0, y: int = 0, shear: Sequence[float] = (0.0, 0.0)
) -> Sample:
    return apply_filling(
        sample,
        labels,
        functional.affine,
        angle=angle,
        translate=[x, y],
        scale=1.0,
        shear=list(shear),
        interpolation=InterpolationMode.BILINEAR,  # torchvision uses nearest for masks regardless
    )


def _make_shear(axis: int) -> ImageChange:
    def apply_change(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        degrees = float(torch.rad2deg(torch.atan(torch.tensor(magnitude))))
        return _apply_affine(sample, labels, shear=(degrees, 0.0) if axis else (0.0, degrees))

    return apply_change


def _make_translation(axis: int) -> ImageChange:
    def apply_change(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        pixels = int(magnitude * read_canvas_size(sample)[axis])
        return _apply_affine(sample, labels, x=pixels if axis else 0, y=0 if axis else pixels)

    return apply_change


def _make_table(
    shear: float, translate: float, rotate: float, colour: float, bits: int
) -> Mapping[str, AugmentOperation]:
    """Make a table of torchvision's operations.

    Args:
        shear: tangent of the largest angle.
        translate: largest shift, as a fraction of the side.
        rotate: largest angle in degrees.
        colour: largest change of the factors of brightness, saturation, contrast and sharpness.
        bits: largest number of bits that posterize removes from each channel.
    """
    return {
        "identity": AugmentOperation(lambda sample, *_: sample),
        "shear_x": AugmentOperation(_make_shear(1), shear, True, True, turns=True),
        "shear_y": AugmentOperation(_make_shear(0), shear, True, True, turns=True),
        "translate_x": AugmentOperation(_make_translation(1), translate, True, True),
        "translate_y": AugmentOperation(_make_translation(0), translate, True, True),
        "rotate": AugmentOperation(
            lambda sample, labels, degrees: _apply_affine(sample, labels, angle=degrees), rotate, True, True, turns=True
        ),
        "brightness": AugmentOperation(_recolour(lambda i, m: functional.adjust_brightness(i, 1 + m)), colour, True),
        "saturation": AugmentOperation(_recolour(lambda i, m: functional.adjust_saturation(i, 1 + m)), colour, True),
        "contrast": AugmentOperation(_recolour(lambda i, m: functional.adjust_contrast(i, 1 + m)), colour, True),
        "sharpness": AugmentOperation(_recolour(lambda i, m: functional.adjust_sharpness(i, 1 + m)), colour, True),
        "posterize": AugmentOperation(_recolour(lambda i, m: functional.posterize(i, 8 - round(m))), bits),
        "solarize": AugmentOperation(_recolour(lambda i, m: functional.solarize(i, 255 * (1 - m))), 1.0),
        "autocontrast": AugmentOperation(_recolour(lambda i, _: functional.autocontrast(i))),
        "equalize": AugmentOperation(_recolour(lambda i, _: functional.equalize(i))),
    }


AUGMENT_TABLES: Mapping[str, Mapping[str, AugmentOperation]] = {
    "randaugment": _make_table(0.3, 150 / 331, 30.0, 0.9, 4),
    "trivialaugment": _make_table(0.99, 32 / 224, 135.0, 0.99, 6),
}


def make_randaugment(upright: bool, labels: Labels) -> AugmentPolicy:
    """Make RandAugment with two operations of strength 9 of 30 (Cubuk et al. 2019).

    Args:
        upright: whether to leave out rotation and shear.
        labels: targets that are transformed with the image.
    """
    return AugmentPolicy("randaugment", 2, 9 / 30, upright, labels)


def make_trivialaugment(upright: bool, labels: Labels) -> AugmentPolicy:
    """Make TrivialAugment: one operation of random strength from the wide table (Müller and Hutter 2021).

    Args:
        upright: whether to leave out rotation and shear.
        labels: targets that are transformed with the image.
    """
    return AugmentPolicy("trivialaugment", 1, None, upright, labels)
