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
