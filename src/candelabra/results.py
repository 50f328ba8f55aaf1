"""What a prediction is in Python: plain objects in place of tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LabelResult:
    """The class of an image, or its classes.

    Args:
        classes: their names.
        probabilities: (C,) float32 of each class; they sum to 1 unless several classes may hold.
        multilabel: several may hold.

    >>> result = LabelResult(("cat", "dog"), np.array([0.25, 0.75], dtype=np.float32))
    >>> result.name, result.probability
    ('dog', 0.75)
    >>> result.top(2)
    [('dog', 0.75), ('cat', 0.25)]
    """

    classes: Sequence[str]
    probabilities: NDArray[np.float32] = field(repr=False)
    multilabel: bool = False

    @property
    def name(self) -> str:
        """The most probable class."""
        return self.top(1)[0][0]

    @property
    def probability(self) -> float:
        """Of the most probable class, 0 to 1."""
        return self.top(1)[0][1]

    @property
    def names(self) -> list[str]:
        """The classes that hold: those above 0.5 where several may, else the most probable one."""
        return [name for name, share in self.top(None) if share > 0.5] if self.multilabel else [self.name]

    def top(self, k: int | None = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, the most probable first; null for all."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.classes[index], float(self.probabilities[index])) for index in order]

    def __str__(self) -> str:
        return ", ".join(f"{name} {share:.2f}" for name, share in self.top(None) if name in self.names) or "none"


@dataclass(frozen=True, eq=False)
class GradeResult:
    """The grade of an image, of several in an order.

    Args:
        grades: their names, lowest first.
        probabilities: (G,) float32 of each grade; they sum to 1.

    >>> result = GradeResult(("none", "mild", "severe"), np.array([0.4, 0.3, 0.3], dtype=np.float32))
    >>> result.name, result.index  # a higher grade is more probable than not
    ('mild', 1)
    """

    grades: Sequence[str]
    probabilities: NDArray[np.float32] = field(repr=False)

    @property
    def index(self) -> int:
        """The number of grades that are more probably exceeded than not: the median (Cao et al. 2020)."""
        exceeded = np.cumsum(self.probabilities[::-1])[::-1][1:]
        return int((exceeded > 0.5).sum())

    @property
    def name(self) -> str:
        """Of this grade."""
        return self.grades[self.index]

    @property
    def probability(self) -> float:
        """Of this grade, 0 to 1."""
        return float(self.probabilities[self.index])

    def to_dict(self) -> dict[str, object]:
        """As plain values."""
        shares = dict(zip(self.grades, self.probabilities.tolist(), strict=True))
        return {"name": self.name, "index": self.index, "probabilities": shares}

    def __str__(self) -> str:
        return f"{self.name} {self.probability:.2f}"


class Estimate(NamedTuple):
    """A number, and the standard deviation of its error as the model expects it."""

    value: float
    std: float


def name_numbers(names: Sequence[str], values: NDArray[np.float32]) -> dict[str, float] | dict[str, Estimate]:
    """Numbers (K,) by name; of (K, 2), numbers with their standard deviations."""
    if values.ndim == 1:
        return dict(zip(names, values.tolist(), strict=True))
    return {name: Estimate(*pair) for name, pair in zip(names, values.tolist(), strict=True)}


def numbers_to_json(numbers: dict[str, float] | dict[str, Estimate]) -> dict[str, object]:
    """What `name_numbers` returned, in plain values."""
    return {name: each._asdict() if isinstance(each, Estimate) else each for name, each in numbers.items()}


def summarize_map(values: NDArray[np.float32]) -> dict[str, float]:
    """The size of a map (H, W) of numbers, NaN where unknown, and its least, mean and largest number."""
    known = values[np.isfinite(values)]
    size = {"height": values.shape[0], "width": values.shape[1]}
    if not known.size:
        return size
    return {**size, "min": float(known.min()), "mean": float(known.mean()), "max": float(known.max())}


def summarize_vectors(values: NDArray[np.float32]) -> dict[str, object]:
    """The size of a map (H, W, C) of vectors, NaN where unknown, their mean, and the length of the longest."""
    known = values[np.isfinite(values).all(2)]
    size: dict[str, object] = {"height": values.shape[0], "width": values.shape[1]}
    if not len(known):
        return size
    return {**size, "mean": known.mean(0).tolist(), "longest": float(np.linalg.norm(known, axis=1).max())}


class BoundingBox(NamedTuple):
    """The edges of a box in pixels of the image: x from its left edge, y from its top edge."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def __str__(self) -> str:
        return " ".join(f"{side:.1f}" for side in self)


class Point(NamedTuple):
    """A place in pixels of the image: x from its left edge, y from its top edge."""

    x: float
    y: float


class DetectedObject(NamedTuple):
    """An object in an image: the name of its class, how certain it is (0 to 1), and where it is."""

    name: str
    score: float
    box: BoundingBox

    def __str__(self) -> str:
        return f"{self.name} {self.score:.2f} at {self.box}"


class ObjectMask(NamedTuple):
    """The pixels of an object, in the part of the image that its box covers.

    Args:
        top, left: pixel at which the part begins.
        inside: (h, w) bool.
    """

    top: int
    left: int
    inside: NDArray[np.bool_]

    def spread(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W) = `size` of the image -> bool, true at the pixels of the object."""
        whole = np.zeros(size, np.bool_)
        height, width = self.inside.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.inside
        return whole


class SegmentedObject(NamedTuple):
    """An object in an image: the name of its class, how certain it is (0 to 1), where it is, and its pixels.

    `mask.spread((H, W))` makes an array of the size of the image.
    """

    name: str
    score: float
    box: BoundingBox
    mask: ObjectMask

    def __str__(self) -> str:
        return f"{self.name} {self.score:.2f} at {self.box}, {int(self.mask.inside.sum())} pixels"
