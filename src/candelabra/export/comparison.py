"""How far answers of an exported model are from those of its checkpoint, and how far they may be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]
TOLERANCES: Mapping[str, float] = {
    "probability": 1e-4,  # largest difference
    "pixels": 0.02,  # largest difference of a side or a point, in pixels of the file
    "map": 1e-4,  # share of pixels that differ
    "objects": 0.005,  # share of detections without a counterpart: a score at the threshold, an overlap at its limit
    "metric": 1e-3,  # difference of the main metric of a head
    "stage": 1e-3,  # norm of the difference by the norm, of what lies before the answers
}
_CLASS, _SCORE = 4, 5  # columns of rows of objects


class Deviation(NamedTuple):
    """One measure of one answer, over all pictures.

    Args:
        head: its name.
        measure: a key of `TOLERANCES`.
        reached: the worst value.
        picture: where that is.
        allowed: the tolerance.
    """

    head: str
    measure: str
    reached: float
    picture: int
    allowed: float

    @property
    def passes(self) -> bool:
        """Whether it is within the tolerance; NaN is not."""
        return self.reached <= self.allowed


def compare_answers(head: str, kind: str, reference: Sequence[Values], found: Sequence[Values]) -> list[Deviation]:
    """Compares the answers of one head for some pictures.

    Args:
        head: its name.
        kind: see `Head.describe_answer`.
        reference: of the checkpoint, one for each picture.
        found: of the exported model.
    """
    measured = [_MEASURES[kind](*pair) for pair in zip(reference, found, strict=True)]
    deviations = []
    for measure in measured[0]:
        values = [each[measure] for each in measured]
        worst = max(range(len(values)), key=lambda number: np.nan_to_num(values[number], nan=np.inf))
        deviations.append(Deviation(head, measure, values[worst], worst, TOLERANCES[measure]))
    return deviations


def measure_stage(reference: Values, found: Values) -> float:
    """The norm of a difference by the norm of the reference; infinite where shapes differ or numbers are none."""
    if reference.shape != found.shape or not np.isfinite(found).all():
        return float("inf")
    difference = np.linalg.norm((found.astype(np.float64) - reference).reshape(-1))
    return float(difference / max(float(np.linalg.norm(reference.astype(np.float64).reshape(-1))), 1e-6))


def _measure_probabilities(reference: Values, found: Values) -> dict[str, float]:
    return {"probability": _find_largest(reference, found)}


def _measure_places(reference: Values, found: Values) -> dict[str, float]:
    return {"pixels": _find_largest(reference, found)}


def _measure_map(reference: Values, found: Values) -> dict[str, float]:
    return {"map": float((reference != found).mean()) if reference.shape == found.shape else float("inf")}


def _measure_objects(reference: Values, found: Values) -> dict[str, float]:
    """Pairs each detection with the nearest one of its class; what has none within the tolerance has no counterpart."""
    if not len(reference) and not len(found):
        return {"objects": 0.0, "pixels": 0.0, "probability": 0.0}
    if not np.isfinite(found).all():
        return dict.fromkeys(("objects", "pixels", "probability"), float("nan"))
    free = np.ones(len(found), bool)
    pixels, scores, paired = 0.0, 0.0, 0
    for row in reference:
        apart = np.abs(found[:, :_CLASS] - row[:_CLASS]).max(1, initial=0.0) + 100 * np.abs(
            found[:, _SCORE] - row[_SCORE]
        )
        apart = np.where(free & (found[:, _CLASS] == row[_CLASS]), apart, np.inf)
        best = int(apart.argmin()) if len(apart) else -1
        if best < 0 or apart[best] > 1:
            continue
        free[best], paired = False, paired + 1
        pixels = max(pixels, float(np.abs(found[best, :_CLASS] - row[:_CLASS]).max()))
        scores = max(scores, float(abs(found[best, _SCORE] - row[_SCORE])))
    unpaired = len(reference) + len(found) - 2 * paired
    return {"objects": unpaired / (len(reference) + len(found)), "pixels": pixels, "probability": scores}


def _find_largest(reference: Values, found: Values) -> float:
    if reference.shape != found.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - reference).max(initial=0.0))


_MEASURES: Mapping[str, Callable[[Values, Values], dict[str, float]]] = {
    "probabilities": _measure_probabilities,
    "points": _measure_places,
    "box": _measure_places,
    "map": _measure_map,
    "objects": _measure_objects,
    "vector": lambda reference, found: {"stage": measure_stage(reference, found)},
}
