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
    "number": 1e-3,  # largest difference, in shares of the largest number
    "number_map": 1e-3,  # mean difference, in shares of the largest number
    "cells": 1e-3,  # largest difference of a probability of a cell of a mask
    "objects": 0.005,  # share of detections without a counterpart: a score at the threshold, an overlap at its limit
    "metric": 1e-3,  # difference of the main metric of a head
    "stage": 1e-3,  # norm of the difference by the norm, of what lies before the answers
}
_RELATIVE = ("numbers", "number_map", "vector_map")  # kinds in a unit that only the data know
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
    if kind in _RELATIVE:
        largest = max(float(np.abs(each).max(initial=0.0, where=np.isfinite(each))) for each in reference) or 1.0
        reference, found = [[each / largest for each in some] for some in (reference, found)]
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


def _measure_numbers(reference: Values, found: Values) -> dict[str, float]:
    return {"number": _find_largest(reference, found)}


def _measure_number_map(reference: Values, found: Values) -> dict[str, float]:
    if reference.shape != found.shape or (np.isfinite(reference) != np.isfinite(found)).any():
        return {"number_map": float("inf")}
    known = np.isfinite(reference)
    return {"number_map": float(np.abs(found - reference)[known].mean()) if known.any() else 0.0}


def _measure_objects(reference: Values, found: Values) -> dict[str, float]:
    if not np.isfinite(found).all():
        return dict.fromkeys(("objects", "pixels", "probability"), float("nan"))
    ours, theirs = _pair_objects(reference, found)
    unpaired = len(reference) + len(found) - 2 * len(ours)
    return {
        "objects": unpaired / max(len(reference) + len(found), 1),
        "pixels": _find_largest(ours[:, :_CLASS], theirs[:, :_CLASS]),
        "probability": _find_largest(ours[:, _SCORE], theirs[:, _SCORE]),
    }


def _measure_instances(reference: Values, found: Values) -> dict[str, float]:
    ours, theirs = _pair_objects(reference, found)
    return {
        **_measure_objects(reference, found),
        "cells": _find_largest(ours[:, _SCORE + 1 :], theirs[:, _SCORE + 1 :]),
    }


def _pair_objects(reference: Values, found: Values) -> tuple[Values, Values]:
    """Pairs each detection with the nearest one of its class; what has none within the tolerance has no counterpart."""
    free = np.ones(len(found), bool)
    pairs = []
    for number, row in enumerate(reference):
        apart = np.abs(found[:, :_CLASS] - row[:_CLASS]).max(1, initial=0.0) + 100 * np.abs(
            found[:, _SCORE] - row[_SCORE]
        )
        apart = np.where(free & (found[:, _CLASS] == row[_CLASS]), apart, np.inf)
        best = int(apart.argmin()) if len(apart) else -1
        if best < 0 or apart[best] > 1:
            continue
        free[best] = False
        pairs.append((number, best))
    ours, theirs = np.array(pairs, int).reshape(-1, 2).T
    return reference[ours], found[theirs]


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
    "numbers": _measure_numbers,
    "number_map": _measure_number_map,
    "vector_map": _measure_number_map,
    "grades": _measure_probabilities,
    "instances": _measure_instances,
    "vector": lambda reference, found: {"stage": measure_stage(reference, found)},
}
