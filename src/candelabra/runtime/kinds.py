"""The kinds of answers that model.json names: how each comes to the pixels of a file, and to plain values."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.fitting import PLACEMENTS
from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.decoding.nearest_pixels import resize_nearest
from candelabra.errors import CandelabraError
from candelabra.results import BoundingBox, DetectedObject, LabelResult, Point
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.pictures import Picture

Values = NDArray[Any]
_CLASS, _SCORE = 4, 5  # columns of rows of objects


class AnswerKind(ABC):
    """What is to be done with the outputs of one head.

    Args:
        name: of the head.
        about: what model.json says of its answer.
    """

    def __init__(self, name: str, about: Mapping[str, Any]) -> None:
        self.name, self.about = name, about
        self.classes: tuple[str, ...] = tuple(about.get("classes", ()))

    def list_outputs(self) -> list[str]:
        """Names of the outputs that `place` reads."""
        return [self.name]

    @abstractmethod
    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        """The answer for one picture, in pixels of its file.

        Args:
            outputs: of this picture, by name, in the pixels that the model was given.
            picture: likewise.
            model: it.
        """

    @abstractmethod
    def to_result(self, values: Values) -> Any:
        """An answer as a plain object; see `candelabra.results`."""

    @abstractmethod
    def to_json(self, values: Values) -> Any:
        """An answer in plain values, as `Target.to_json_result` has it."""


class Probabilities(AnswerKind):
    """(C,) of each class."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return outputs[self.name]

    def to_result(self, values: Values) -> LabelResult:
        return LabelResult(self.classes, values, bool(self.about["multilabel"]))

    def to_json(self, values: Values) -> Any:
        result = self.to_result(values)
        if result.multilabel:
            return dict(result.top(None))
        return {"name": result.name, "probability": result.probability, "top": dict(result.top())}


class PlacedPoints(AnswerKind):
    """(K, 2) XY."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return _move_points(outputs[self.name], picture)

    def to_result(self, values: Values) -> dict[str, Point]:
        return {name: Point(*xy) for name, xy in zip(self.about["names"], values.tolist(), strict=True)}

    def to_json(self, values: Values) -> Any:
        return {name: list(place) for name, place in self.to_result(values).items()}


class PlacedBox(AnswerKind):
    """(4,) XYXY, inside the picture."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return _move_boxes(outputs[self.name], picture)

    def to_result(self, values: Values) -> BoundingBox:
        return BoundingBox(*values.tolist())

    def to_json(self, values: Values) -> Any:
        return self.to_result(values)._asdict()


class DetectedObjects(AnswerKind):
    """(D, 6) rows of a box XYXY, a class and a score, best first; without rows of -1, and below `thresholds`."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        rows = outputs[self.name]
        rows = rows[rows[:, _CLASS] >= 0]
        least = np.array(self.about.get("thresholds", [0.0] * len(self.classes)), np.float32)  # one a class
        rows = rows[rows[:, _SCORE] >= least[rows[:, _CLASS].astype(int)]]
        rows = np.concatenate([_move_boxes(rows[:, :_CLASS], picture), rows[:, _CLASS:]], 1)
        return rows[(rows[:, 2:4] > rows[:, :2]).all(1)]

    def to_result(self, values: Values) -> list[DetectedObject]:
        return [
            DetectedObject(self.classes[int(number)], score, BoundingBox(*box))
            for *box, number, score in values.tolist()
        ]

    def to_json(self, values: Values) -> Any:
        return [
            {"name": each.name, "score": round(each.score, 4), "box": [round(side, 2) for side in each.box]}
            for each in self.to_result(values)
        ]


class Vector(AnswerKind):
    """(D,) of length 1."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return outputs[self.name]

    def to_result(self, values: Values) -> Values:
        return values

    def to_json(self, values: Values) -> Any:
        return [round(number, 6) for number in values.tolist()]


class PixelMap(AnswerKind):
    """(H, W) the class of each pixel."""

    def list_outputs(self) -> list[str]:
        return [self.name, self.name + PREPARED_SUFFIX]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        if picture.is_whole:
            return outputs[self.name]
        prepared = outputs[self.name + PREPARED_SUFFIX]  # resized once, to the file, and not twice
        scaled, corner = PLACEMENTS[model.resize]((picture.pixels.shape[0], picture.pixels.shape[1]), model.size)
        whole = np.full(scaled, self.about["unlabelled"], prepared.dtype)
        inside = [
            (slice(max(-start, 0), min(size - start, side)), slice(max(start, 0), min(start + side, size)))
            for start, side, size in zip(corner, scaled, model.size, strict=True)
        ]
        whole[inside[0][0], inside[1][0]] = prepared[inside[0][1], inside[1][1]]
        # A file too large to be decoded whole has a map as small as it can be decoded; see `PixelTarget.to_original`.
        divisor = choose_divisor(*picture.size[::-1])
        shape = (-(-picture.size[0] // divisor), -(-picture.size[1] // divisor))
        (x, y), extent = picture.region.corner, picture.region.extent
        seen = CoveredRegion((-y, shape[0] * divisor - y, extent[1]), (-x, shape[1] * divisor - x, extent[0]))
        return resize_nearest(whole, shape, seen)

    def to_result(self, values: Values) -> Values:
        return values

    def to_json(self, values: Values) -> Any:
        counts = np.bincount(values.reshape(-1), minlength=len(self.classes))[: len(self.classes)].tolist()
        return {name: count / values.size for name, count in zip(self.classes, counts, strict=True) if count}


KINDS: Mapping[str, type[AnswerKind]] = {
    "probabilities": Probabilities,
    "points": PlacedPoints,
    "box": PlacedBox,
    "objects": DetectedObjects,
    "vector": Vector,
    "map": PixelMap,
}


def make_kinds(model: ModelDescription) -> dict[str, AnswerKind]:
    """The kind of the answer of each head.

    Raises:
        CandelabraError: model.json names one that this version does not know.
    """
    for name, about in model.answers.items():
        if about["kind"] not in KINDS:
            raise CandelabraError(
                f"The head {name} answers with {about['kind']}, which this version of candelabra does not know; "
                f"known are {', '.join(KINDS)}."
            )
    return {name: KINDS[about["kind"]](name, about) for name, about in model.answers.items()}


def _move_points(points: Values, picture: Picture) -> Values:
    """Points (..., 2) in the pixels that were decoded -> in pixels of the file."""
    height, width = picture.pixels.shape[:2]
    factor = np.array(picture.region.extent, np.float32) / np.array([width, height], np.float32)
    return points * factor + np.array(picture.region.corner, np.float32)


def _move_boxes(boxes: Values, picture: Picture) -> Values:
    edges = np.array(picture.size[::-1], np.float32)
    corners = _move_points(boxes.reshape(-1, 2), picture)
    return np.clip(corners, 0, edges).reshape(boxes.shape)
