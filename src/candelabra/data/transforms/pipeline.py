"""Pipelines of transforms for training and evaluation: torchvision's transforms, and some that it does not have."""

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
from candelabra.data.transforms.mosaic import Mosaic
from candelabra.data.transforms.resize import ResizeMethod, TransformStep
from candelabra.data.transforms.sample_geometry import (
    apply_filling,
    choose_grey,
    drop_invisible,
    map_targets,
    read_canvas_size,
)
from candelabra.errors import CandelabraError
from candelabra.types import Sample, Size

Augmentation = Literal["none", "light", "strong", "randaugment", "trivialaugment"]
LIGHT_AUGMENTATION, _STRONG = 0.5, 0.25  # smallest crop, as a fraction of the area


def make_train_transforms(
    augment: Augmentation,
    resize: ResizeMethod,
    labels: Labels,
    flip: bool,
    erase: float = 0.0,
    mosaic: float = 0.0,
) -> "TransformPipeline":
    """Make the transforms of training samples; they end with the size of `resize`.

    Transforms that would make a label wrong or lose it are left out: no rotation or shear with boxes, as upright boxes
    would not stay tight; crops of at least half of the image if a box or points are labelled; no mirroring with points
    of which it is not known what they become.

    Args:
        augment: none; light (a crop of at least half of the image, colours, mirroring); strong (a crop of at least a
            quarter, rotation up to 15 degrees, stronger colours, sometimes grey or blurred); randaugment or
            trivialaugment (a crop as in light, then the policy).
        resize: brings images to one size.
        labels: targets of the samples.
        flip: whether to mirror half of the samples; wrong where mirrored scenes have another label, as for digits.
        erase: fraction of images, in [0, 1], in which a rectangle is erased; labels are kept.
        mosaic: fraction of images, in [0, 1], that are put together with three others; see `Mosaic`.

    Raises:
        CandelabraError: `augment` is unknown, or `erase` or `mosaic` cannot be.
    """
    if not 0 <= erase <= 1:
        raise CandelabraError(f"data.erase={erase} is not a fraction of the images; give a number from 0 to 1.")
    joined = Mosaic(labels, resize, mosaic)
    upright = any(target.upright for target in labels.values())
    last: list[TransformStep] = [RandomErase(erase)] if erase else []
    if augment == "none":
        whole = make_eval_transforms(resize, labels)
        fixed = not erase and not mosaic
        return TransformPipeline([*whole.steps, *last], labels, fixed, least=whole.least, mosaic=joined)
    changes: dict[str, list[TransformStep]] = {
        "light": [ColourJitter(brightness=0.2, contrast=0.2, saturation=0.2)],
        "strong": _make_strong_steps(upright, labels),
        "randaugment": [make_randaugment(upright, labels)],
        "trivialaugment": [make_trivialaugment(upright, labels)],
    }
    if augment not in changes:
        raise CandelabraError(f"data.augment={augment} is not known; allowed are none, {', '.join(changes)}.")
    strong = max([_STRONG, *(target.least_crop for target in labels.values())])
    least = strong if augment == "strong" else LIGHT_AUGMENTATION
    mirrored = flip and not any(target.mirror_problem for target in labels.values())
    mirror: list[TransformStep] = [RandomMirror(labels)] if mirrored else []
    return TransformPipeline(
        [*resize.train_steps(labels, least), *changes[augment], *mirror, *last],
        labels,
        least=compute_least_read_size(resize.size, least),
        mosaic=joined,
    )


def make_eval_transforms(resize: ResizeMethod, labels: Labels | None = None) -> "TransformPipeline":
    """Make the transforms for validation, test and prediction.

    Args:
        resize: brings images to one size.
        labels: targets of the samples; null for images only.
    """
    labels = Labels() if labels is None else labels
    return TransformPipeline(resize.eval_steps(labels), labels, fixed=True, least=resize.size, resize=resize)


def compute_least_read_size(size: Size, share: float) -> Size:
    """Return the smallest (H, W) at which a crop of this fraction of the area need not be enlarged to `size`.

    >>> compute_least_read_size((224, 224), 0.5)
    (317, 317)
    """
    return math.ceil(size[0] / math.sqrt(share)), math.ceil(size[1] / math.sqrt(share))


def _make_strong_steps(upright: bool, labels: Labels) -> list[TransformStep]:
    return [
        *([] if upright else [DropInvisible(labels), RandomTurn(labels)]),
        ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4),
        v2.ColorJitter(hue=0.1),
        v2.RandomGrayscale(0.1),
        v2.RandomApply([v2.GaussianBlur(5, (0.1, 2.0))], p=0.1),
    ]


class SampleTransforms(ABC):
    """The transforms of the samples of one split.

    Attributes:
        fixed: whether the transforms are deterministic.
    """

    fixed: bool

    @abstractmethod
    def of(self, index: int) -> "TransformPipeline":
        """Return the pipeline for the sample of this index."""


class TransformPipeline(SampleTransforms):
    """Apply transforms to a sample, then drop labels outside of the image and unwrap the tensors.

    Args:
        steps: torchvision v2 transforms on dictionaries of `tv_tensors`. Their `repr` is part of the key of the
            feature cache, so plain functions are not allowed. A step must not write into the image, which may belong
            to a cache.
        labels: targets of the samples.
        fixed: whether the steps are deterministic.
        least: (H, W) in pixels to which larger images may be reduced on reading; null for their own size.
        read_labels: targets of the samples before the steps, if steps add targets; null for `labels`.
        resize: all that the steps do to the geometry; null where they do something else.
        mosaic: puts samples together before the steps; null for none.
    """

    def __init__(
        self,
        steps: Sequence[TransformStep],
        labels: Labels,
        fixed: bool = False,
        least: Size | None = None,
        read_labels: Labels | None = None,
        resize: ResizeMethod | None = None,
        mosaic: Mosaic | None = None,
    ) -> None:
        self.steps, self.labels, self.fixed, self.least = steps, labels, fixed, least
        self.read_labels = labels if read_labels is None else read_labels
        self.resize, self.mosaic = resize, mosaic if mosaic and mosaic.share else None

    def __repr__(self) -> str:
        steps = [self.mosaic, *self.steps] if self.mosaic else self.steps
        visible = "".join(f", visible={target.min_visible}" for target in self.labels.values() if target.ragged)
        return f"Pipeline({', '.join(repr(step) for step in steps)}, least={self.least}{visible})"

    def of(self, index: int) -> "TransformPipeline":
        return self

    def __call__(self, sample: Sample) -> Sample:
        for step in self.steps:
            sample = step(sample)
        seen = map_targets(drop_invisible(sample, self.labels), self.labels, lambda target, value: target.unwrap(value))
        return {**seen, "image": seen["image"].as_subclass(Tensor)}


class DropInvisible:
    """Drop labels outside of the image, as the next geometric step could move them back over the filling."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def __repr__(self) -> str:
        return "Visible()"

    def __call__(self, sample: Sample) -> Sample:
        return drop_invisible(sample, self.labels)


class RandomTurn:
    """Rotate samples by up to 15 degrees, and shear them by up to 10; images are filled with grey."""

    def __init__(self, labels: Labels) -> None:
        self.labels, self.drawn = labels, v2.RandomAffine(15, shear=10)

    def __repr__(self) -> str:
        return f"Turn({self.drawn})"

    def __call__(self, sample: Sample) -> Sample:
        drawn = self.drawn.make_params([sample["image"]])
        return apply_filling(
            sample, self.labels, functional.affine, **drawn, interpolation=v2.InterpolationMode.BILINEAR
        )


class RandomMirror:
    """Mirror samples left to right at random; left and right keypoints are swapped, which torchvision does not do.

    Args:
        labels: targets that are mirrored with the image.
        share: probability of mirroring, in [0, 1].
    """

    def __init__(self, labels: Labels, share: float = 0.5) -> None:
        self.labels, self.share = labels, share

    def __repr__(self) -> str:
        return f"Mirror({self.labels}, {self.share})"

    def __call__(self, sample: Sample) -> Sample:
        if torch.rand(()) >= self.share:
            return sample
        size = read_canvas_size(sample)
        mirrored = map_targets(sample, self.labels, lambda target, value: target.mirror(value, size))
        return {**mirrored, "image": functional.horizontal_flip(sample["image"])}


class RandomErase:
    """Fill a rectangle of some images, 2 to 33 % of the area, with grey (Zhong et al. 2017).

    Labels are kept, also of hidden points and pixels: the model has to infer them from the context.

    Args:
        share: probability of erasing, in [0, 1].
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def __repr__(self) -> str:
        return f"Erase({self.share})"

    def __call__(self, sample: Sample) -> Sample:
        erasing = v2.RandomErasing(p=self.share, value=choose_grey(sample["image"]))
        return {**sample, "image": erasing(sample["image"])}
