"""Transforms that move image, box, keypoints and mask together; torchvision's, and the little it lacks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from candelabra.data.targets import Labels
from candelabra.data.transforms.auto_augment import make_randaugment, make_trivialaugment
from candelabra.data.transforms.colour_jitter import ColourJitter
from candelabra.data.transforms.resize import ResizeMethod, TransformStep
from candelabra.data.transforms.sample_geometry import FILL_GREY, drop_invisible, fill_by_class, map_targets
from candelabra.errors import CandelabraError
from candelabra.types import Sample, Size

Augmentation = Literal["none", "light", "strong", "randaugment", "trivialaugment"]
LIGHT_AUGMENTATION, _STRONG = 0.5, 0.25  # the smallest part of an image, by area


def make_train_transforms(
    augment: Augmentation, resize: ResizeMethod, labels: Labels, flip: bool, erase: float = 0.0
) -> "TransformPipeline":
    """What a training image goes through, ending in the size of `resize`.

    What would make a label wrong or lose it is left out: no box is turned or sheared, for an upright one does not
    stay tight; where a box or points are labelled, parts are at least half of the image.

    Args:
        augment: none; light (a part of at least half of the image, colours, and a mirror image); strong (a part of at
            least a quarter, turned by up to 15 degrees, more colours, some grey or blurred); randaugment or
            trivialaugment (a part as in light, then theirs).
        resize: how images come to one size.
        labels: what is labelled.
        flip: a mirror image of the scene means the same (not so for digits).
        erase: share of images of which a rectangle is painted over; labels stay.
    """
    if not 0 <= erase <= 1:
        raise CandelabraError(f"data.erase={erase} must be a share of the images, 0 to 1.")
    upright = any(target.upright for target in labels.values())
    last: list[TransformStep] = [RandomErase(erase)] if erase else []
    if augment == "none":
        whole = make_eval_transforms(resize, labels)
        return TransformPipeline([*whole.steps, *last], labels, fixed=not erase, least=whole.least)
    changes: dict[str, list[TransformStep]] = {
        "light": [ColourJitter(brightness=0.2, contrast=0.2, saturation=0.2)],
        "strong": _strong(upright, labels),
        "randaugment": [make_randaugment(upright, labels)],
        "trivialaugment": [make_trivialaugment(upright, labels)],
    }
    if augment not in changes:
        raise CandelabraError(f"data.augment={augment} is not known; allowed are none, {', '.join(changes)}.")
    strong = max([_STRONG, *(target.least_crop for target in labels.values())])
    least = strong if augment == "strong" else LIGHT_AUGMENTATION
    mirror: list[TransformStep] = [RandomMirror(labels)] if flip else []
    return TransformPipeline(
        [*resize.part(labels, least), *changes[augment], *mirror, *last],
        labels,
        least=compute_least_read_size(resize.size, least),
    )


def make_eval_transforms(resize: ResizeMethod, labels: Labels | None = None) -> "TransformPipeline":
    """What images of validation, test and prediction go through; labels are null where there are images alone."""
    labels = Labels() if labels is None else labels
    return TransformPipeline(resize.whole(labels), labels, fixed=True, least=resize.size)


def compute_least_read_size(size: Size, share: float) -> Size:
    """(H, W) that an image may be read at so that a crop of this share of it need not be enlarged to `size`.

    >>> compute_least_read_size((224, 224), 0.5)
    (317, 317)
    """
    return math.ceil(size[0] / math.sqrt(share)), math.ceil(size[1] / math.sqrt(share))


def _strong(upright: bool, labels: Labels) -> list[TransformStep]:
    turn = v2.RandomAffine(15, shear=10, interpolation=v2.InterpolationMode.BILINEAR, fill=fill_by_class(labels))
    return [
        *([] if upright else [DropInvisible(labels), turn]),
        ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4),
        v2.ColorJitter(hue=0.1),
        v2.RandomGrayscale(0.1),
        v2.RandomApply([v2.GaussianBlur(5, (0.1, 2.0))], p=0.1),
    ]


class SampleTransforms(ABC):
    """What the samples of one split go through.

    Attributes:
        fixed: nothing is drawn, so one sample always becomes the same.
    """

    fixed: bool

    @abstractmethod
    def of(self, index: int) -> "TransformPipeline":
        """What the sample of this index goes through."""


class TransformPipeline(SampleTransforms):
    """Runs transforms on one sample, then drops what left the image and unwraps the tensors.

    Args:
        steps: transforms of torchvision's v2 on dictionaries of `tv_tensors`. Their `repr` is part of the feature
            cache's key, so no bare functions. A step must not write into the image, which may be that of the cache.
        labels: targets of the samples.
        fixed: nothing is drawn, so one sample always becomes the same.
        least: (H, W) in pixels that an image may be read at, where it is larger; null for its own size.
        read_labels: targets of the samples before the steps, where these add some; null for the same.
    """

    def __init__(
        self,
        steps: Sequence[TransformStep],
        labels: Labels,
        fixed: bool = False,
        least: Size | None = None,
        read_labels: Labels | None = None,
    ) -> None:
        self.steps, self.labels, self.fixed, self.least = steps, labels, fixed, least
        self.read_labels = labels if read_labels is None else read_labels

    def __repr__(self) -> str:
        return f"Pipeline({', '.join(repr(step) for step in self.steps)}, least={self.least})"

    def of(self, index: int) -> "TransformPipeline":
        return self

    def __call__(self, sample: Sample) -> Sample:
        for step in self.steps:
            sample = step(sample)
        seen = map_targets(drop_invisible(sample, self.labels), self.labels, lambda target, value: target.unwrap(value))
        return {**seen, "image": seen["image"].as_subclass(Tensor)}


class DropInvisible:
    """Drops labels outside of the image before the next geometric step, which could move them back over the filling."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def __repr__(self) -> str:
        return "Visible()"

    def __call__(self, sample: Sample) -> Sample:
        return drop_invisible(sample, self.labels)


class RandomMirror:
    """Mirrors half of all samples left to right; sided points then swap names, which torchvision leaves to us.

    Args:
        labels: targets that are mirrored with the image.
        share: of samples mirrored, 0 to 1.
    """

    def __init__(self, labels: Labels, share: float = 0.5) -> None:
        self.labels, self.share = labels, share

    def __repr__(self) -> str:
        return f"Mirror({self.labels}, {self.share})"

    def __call__(self, sample: Sample) -> Sample:
        if torch.rand(()) >= self.share:
            return sample
        mirrored = map_targets(sample, self.labels, lambda target, value: target.mirror(value))
        return {**mirrored, "image": functional.horizontal_flip(sample["image"])}


class RandomErase:
    """Paints a rectangle of some images over (Zhong et al. 2017): 2 to 33 % of the area, grey.

    Labels stay as they are, those of hidden points and pixels too: what is there is to be told from around it.

    Args:
        share: of images, 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self.share, self.erasing = share, v2.RandomErasing(p=share, value=FILL_GREY)

    def __repr__(self) -> str:
        return f"Erase({self.share})"

    def __call__(self, sample: Sample) -> Sample:
        return {**sample, "image": self.erasing(sample["image"])}
