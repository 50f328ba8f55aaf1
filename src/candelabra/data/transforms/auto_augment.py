"""RandAugment and TrivialAugment for images with labels: torchvision's move the image alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torchvision.transforms.v2 import InterpolationMode, functional

from candelabra.data.targets import Labels
from candelabra.data.transforms.sample_geometry import apply_filling, drop_invisible, read_canvas_size
from candelabra.types import Sample

_BINS = 31  # of strength, as in torchvision
ImageChange = Callable[[Sample, Labels, float], Sample]


class AugmentOperation(NamedTuple):
    """One thing that may be done to an image.

    Args:
        change: sample, its targets and magnitude -> sample.
        most: the magnitude at full strength; of neither sign, or of both.
        signed: of both signs.
        moves: changes where things are.
        turns: upright boxes do not stay tight around what it moves.
    """

    change: ImageChange
    most: float = 0.0
    signed: bool = False
    moves: bool = False
    turns: bool = False


class AugmentPolicy:
    """Applies operations that are drawn anew for each sample; image, box, points and mask move together.

    Args:
        name: of the table of operations.
        count: operations one after another.
        strength: of all, 0 to 1; null draws it.
        upright: leaves out rotation and shear.
        labels: targets that move with the image.
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
            # What has left the image does not come back with the next operation: grey would.
            seen = drop_invisible(sample, self.labels) if operation.moves else sample
            sample = operation.change(seen, self.labels, magnitude)
        return sample


def _seen(change: Callable[..., torch.Tensor]) -> ImageChange:
    """What changes colours alone."""

    def changed(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        return {**sample, "image": change(sample["image"], magnitude)}

    return changed


def _affine(
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
        interpolation=InterpolationMode.BILINEAR,  # torchvision takes the nearest class of a mask all the same
    )


def _shear(axis: int) -> ImageChange:
    def changed(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        degrees = float(torch.rad2deg(torch.atan(torch.tensor(magnitude))))
        return _affine(sample, labels, shear=(degrees, 0.0) if axis else (0.0, degrees))

    return changed


def _translate(axis: int) -> ImageChange:
    def changed(sample: Sample, labels: Labels, magnitude: float) -> Sample:
        pixels = int(magnitude * read_canvas_size(sample)[axis])
        return _affine(sample, labels, x=pixels if axis else 0, y=0 if axis else pixels)

    return changed


def _table(shear: float, translate: float, rotate: float, colour: float, bits: int) -> Mapping[str, AugmentOperation]:
    """Torchvision's operations at other full strengths.

    Args:
        shear: tangent of the angle.
        translate: share of the side.
        rotate: degrees.
        colour: change of the factors of brightness, saturation, contrast and sharpness.
        bits: a colour loses.
    """
    return {
        "identity": AugmentOperation(lambda sample, *_: sample),
        "shear_x": AugmentOperation(_shear(1), shear, True, True, turns=True),
        "shear_y": AugmentOperation(_shear(0), shear, True, True, turns=True),
        "translate_x": AugmentOperation(_translate(1), translate, True, True),
        "translate_y": AugmentOperation(_translate(0), translate, True, True),
        "rotate": AugmentOperation(
            lambda sample, labels, degrees: _affine(sample, labels, angle=degrees), rotate, True, True, turns=True
        ),
        "brightness": AugmentOperation(_seen(lambda i, m: functional.adjust_brightness(i, 1 + m)), colour, True),
        "saturation": AugmentOperation(_seen(lambda i, m: functional.adjust_saturation(i, 1 + m)), colour, True),
        "contrast": AugmentOperation(_seen(lambda i, m: functional.adjust_contrast(i, 1 + m)), colour, True),
        "sharpness": AugmentOperation(_seen(lambda i, m: functional.adjust_sharpness(i, 1 + m)), colour, True),
        "posterize": AugmentOperation(_seen(lambda i, m: functional.posterize(i, 8 - round(m))), bits),
        "solarize": AugmentOperation(_seen(lambda i, m: functional.solarize(i, 255 * (1 - m))), 1.0),
        "autocontrast": AugmentOperation(_seen(lambda i, _: functional.autocontrast(i))),
        "equalize": AugmentOperation(_seen(lambda i, _: functional.equalize(i))),
    }


AUGMENT_TABLES: Mapping[str, Mapping[str, AugmentOperation]] = {
    "randaugment": _table(0.3, 150 / 331, 30.0, 0.9, 4),
    "trivialaugment": _table(0.99, 32 / 224, 135.0, 0.99, 6),
}


def make_randaugment(upright: bool, labels: Labels) -> AugmentPolicy:
    """Two operations of strength 9 of 30 (Cubuk et al. 2019)."""
    return AugmentPolicy("randaugment", 2, 9 / 30, upright, labels)


def make_trivialaugment(upright: bool, labels: Labels) -> AugmentPolicy:
    """One operation of any strength, in the wide table (Müller and Hutter 2021)."""
    return AugmentPolicy("trivialaugment", 1, None, upright, labels)
