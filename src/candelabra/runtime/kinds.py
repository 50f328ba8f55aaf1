"""The kinds of answers that model.json names: how each comes to the pixels of a file, and to plain values."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.mask_cells import crop_cells, paste_cells
from candelabra.errors import CandelabraError
from candelabra.results import (
    BoundingBox,
    DetectedObject,
    Estimate,
    GradeResult,
    LabelResult,
    Point,
    SegmentedObject,
    name_numbers,
    numbers_to_json,
    summarize_map,
)
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.pictures import Picture
from candelabra.runtime.placement import (
    cut_boxes,
    move_boxes_to_file,
    move_map_to_file,
    move_points_to_file,
    move_prepared_boxes,
)

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


class Grades(AnswerKind):
    """(G,) of each grade."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return outputs[self.name]

    def to_result(self, values: Values) -> GradeResult:
        return GradeResult(tuple(self.about["grades"]), values)

    def to_json(self, values: Values) -> Any:
        return self.to_result(values).to_dict()


class Numbers(AnswerKind):
    """(K,) numbers by name, or (K, 2) with their standard deviations."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return outputs[self.name]

    def to_result(self, values: Values) -> dict[str, float] | dict[str, Estimate]:
        return name_numbers(self.about["names"], values)

    def to_json(self, values: Values) -> Any:
        return numbers_to_json(self.to_result(values))


class PlacedPoints(AnswerKind):
    """(K, 2) XY."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return move_points_to_file(outputs[self.name], picture)

    def to_result(self, values: Values) -> dict[str, Point]:
        return {name: Point(*xy) for name, xy in zip(self.about["names"], values.tolist(), strict=True)}

    def to_json(self, values: Values) -> Any:
        return {name: list(place) for name, place in self.to_result(values).items()}


class PlacedBox(AnswerKind):
    """(4,) XYXY, inside the picture."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return move_boxes_to_file(outputs[self.name], picture)

    def to_result(self, values: Values) -> BoundingBox:
        return BoundingBox(*values.tolist())

    def to_json(self, values: Values) -> Any:
        return self.to_result(values)._asdict()


class DetectedObjects(AnswerKind):
    """(D, 6) rows of a box XYXY, a class and a score, best first; without rows of -1, and below `thresholds`."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        rows = _select_certain(outputs[self.name], self.about)
        rows = np.concatenate([move_boxes_to_file(rows[:, :_CLASS], picture), rows[:, _CLASS:]], 1)
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
        boxes = move_prepared_boxes(rows[:, :_CLASS], picture, model)
        cut = cut_boxes(boxes, picture)
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
        return move_map_to_file(outputs, self.name, self.about["unlabelled"], picture, model)

    def to_result(self, values: Values) -> Values:
        return values

    def to_json(self, values: Values) -> Any:
        counts = np.bincount(values.reshape(-1), minlength=len(self.classes))[: len(self.classes)].tolist()
        return {name: count / values.size for name, count in zip(self.classes, counts, strict=True) if count}


class NumberMap(AnswerKind):
    """(H, W) a number for each pixel, NaN where the model did not see the picture."""

    def list_outputs(self) -> list[str]:
        return [self.name, self.name + PREPARED_SUFFIX]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return move_map_to_file(outputs, self.name, np.nan, picture, model)

    def to_result(self, values: Values) -> Values:
        return values

    def to_json(self, values: Values) -> Any:
        return summarize_map(values)


KINDS: Mapping[str, type[AnswerKind]] = {
    "probabilities": Probabilities,
    "points": PlacedPoints,
    "box": PlacedBox,
    "objects": DetectedObjects,
    "instances": ObjectMasks,
    "map": PixelMap,
    "number_map": NumberMap,
    "numbers": Numbers,
    "grades": Grades,
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
