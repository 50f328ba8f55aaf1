"""The kinds of answers that model.json names: how each comes to the pixels of a file, and to plain values."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.fitting import PLACEMENTS
from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.decoding.mask_cells import crop_cells, paste_cells
from candelabra.data.decoding.nearest_pixels import resize_nearest
from candelabra.errors import CandelabraError
from candelabra.results import BoundingBox, DetectedObject, LabelResult, Point, SegmentedObject
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.pictures import Picture

Values = NDArray[Any]
_CLASS, _SCORE, _CELLS = 4, 5, 6  # columns of rows of objects; the cells of a mask reach to the end


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
        rows = _select_certain(outputs[self.name], self.about)
        rows = np.concatenate([_move_boxes(rows[:, :_CLASS], picture), rows[:, _CLASS:]], 1)
        return rows[(rows[:, 2:4] > rows[:, :2]).all(1)]

    def to_result(self, values: Values) -> list[DetectedObject]:
        return [
            DetectedObject(self.classes[int(number)], score, BoundingBox(*box))
            for *box, number, score in values.tolist()
        ]

    def to_json(self, values: Values) -> Any:
        return _list_json(self.classes, values)


class ObjectMasks(AnswerKind):
    """(D, 6 + S * S) rows as those of `DetectedObjects`, and the probabilities of S x S cells in each box."""

    def list_outputs(self) -> list[str]:
        return [self.name, self.name + PREPARED_SUFFIX]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        if picture.is_whole:
            return _select_certain(outputs[self.name], self.about)
        rows = _select_certain(outputs[self.name + PREPARED_SUFFIX], self.about)  # cut once, at the file's borders
        shape = (picture.pixels.shape[0], picture.pixels.shape[1])
        (height, width), (top, left) = PLACEMENTS[model.resize](shape, model.size)
        factor = np.array([width, height], np.float32) / np.array(picture.region.extent, np.float32)
        corners = (rows[:, :_CLASS].reshape(-1, 2) - np.array([left, top], np.float32)) / factor
        boxes: Values = (corners + np.array(picture.region.corner, np.float32)).reshape(-1, 4)
        cut = _cut_boxes(boxes, picture)
        rows = np.concatenate([cut, rows[:, _CLASS:_CELLS], crop_cells(rows[:, _CELLS:], boxes, cut)], 1)
        return rows[(cut[:, 2:] > cut[:, :2]).all(1)]

    def to_result(self, values: Values) -> list[SegmentedObject]:
        return [
            SegmentedObject(
                self.classes[int(row[_CLASS])],
                float(row[_SCORE]),
                BoundingBox(*row[:_CLASS].tolist()),
                paste_cells(row[:_CLASS].tolist(), row[_CELLS:]),
            )
            for row in values
        ]

    def to_json(self, values: Values) -> Any:
        return _list_json(self.classes, values)


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
    "instances": ObjectMasks,
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


def _select_certain(rows: Values, about: Mapping[str, Any]) -> Values:
    """Rows of objects that are shown: none of those of -1, and none below the threshold of its class."""
    rows = rows[rows[:, _CLASS] >= 0]
    least = np.array(about.get("thresholds", [0.0] * len(about["classes"])), np.float32)  # one a class
    chosen: Values = rows[rows[:, _SCORE] >= least[rows[:, _CLASS].astype(int)]]
    return chosen


def _list_json(classes: Sequence[str], rows: Values) -> list[dict[str, Any]]:
    return [
        {"name": classes[int(number)], "score": round(score, 4), "box": [round(side, 2) for side in box]}
        for *box, number, score in rows[:, :_CELLS].tolist()
    ]


def _move_points(points: Values, picture: Picture) -> Values:
    """Points (..., 2) in the pixels that were decoded -> in pixels of the file."""
    height, width = picture.pixels.shape[:2]
    factor = np.array(picture.region.extent, np.float32) / np.array([width, height], np.float32)
    return points * factor + np.array(picture.region.corner, np.float32)


def _move_boxes(boxes: Values, picture: Picture) -> Values:
    return _cut_boxes(_move_points(boxes.reshape(-1, 2), picture).reshape(boxes.shape), picture)


def _cut_boxes(boxes: Values, picture: Picture) -> Values:
    """Boxes (..., 4) cut at the borders of the file."""
    return np.clip(boxes.reshape(-1, 2), 0, np.array(picture.size[::-1], np.float32)).reshape(boxes.shape)
