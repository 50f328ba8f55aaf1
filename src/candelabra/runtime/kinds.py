"""The kinds of answers that model.json names: how each comes to the pixels of a file, and to plain values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from candelabra.data.decoding.fitting import PLACEMENTS
from candelabra.data.decoding.image_files import choose_divisor
from candelabra.errors import CandelabraError
from candelabra.results import (
    BoundingBox,
    Estimate,
    GradeResult,
    LabelResult,
    Point,
    name_numbers,
    numbers_to_json,
    summarize_map,
    summarize_vectors,
)
from candelabra.runtime.answer_kind import AnswerKind, Values
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.object_kinds import DetectedObjects, ObjectMasks
from candelabra.runtime.pictures import Picture
from candelabra.runtime.placement import (
    move_boxes_to_file,
    move_map_to_file,
    move_points_to_file,
)


class Probabilities(AnswerKind):
    """(C,) of each class."""

    def to_result(self, values: Values) -> LabelResult:
        return LabelResult(self.classes, values, bool(self.about["multilabel"]))

    def to_json(self, values: Values) -> Any:
        result = self.to_result(values)
        if result.multilabel:
            return dict(result.top(None))
        return {"name": result.name, "probability": result.probability, "top": dict(result.top())}


class Grades(AnswerKind):
    """(G,) of each grade."""

    def to_result(self, values: Values) -> GradeResult:
        return GradeResult(tuple(self.about["grades"]), values)

    def to_json(self, values: Values) -> Any:
        return self.to_result(values).to_dict()


class Numbers(AnswerKind):
    """(K,) numbers by name, or (K, 2) with their standard deviations."""

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


class Vector(AnswerKind):
    """(D,) of length 1."""

    def to_json(self, values: Values) -> Any:
        return [round(number, 6) for number in values.tolist()]


class PixelMap(AnswerKind):
    """(H, W) the class of each pixel."""

    def list_outputs(self) -> list[str]:
        return [self.name, self.name + PREPARED_SUFFIX]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return move_map_to_file(outputs, self.name, self.about["unlabelled"], picture, model)

    def to_json(self, values: Values) -> Any:
        counts = np.bincount(values.reshape(-1), minlength=len(self.classes))[: len(self.classes)].tolist()
        return {name: count / values.size for name, count in zip(self.classes, counts, strict=True) if count}


class NumberMap(AnswerKind):
    """(H, W) a number for each pixel, NaN where the model did not see the picture."""

    def list_outputs(self) -> list[str]:
        return [self.name, self.name + PREPARED_SUFFIX]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        return move_map_to_file(outputs, self.name, np.nan, picture, model)

    def to_json(self, values: Values) -> Any:
        return summarize_map(values)


class NumberVectors(NumberMap):
    """(C, H, W) a vector for each pixel, NaN where the model did not see the picture."""

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        moved = super().place(outputs, picture, model)
        if not self.about.get("pixels") or picture.is_whole:
            return moved
        scaled, _ = PLACEMENTS[model.resize]((picture.pixels.shape[0], picture.pixels.shape[1]), model.size)
        factors = np.array(picture.region.extent, np.float32) / scaled[::-1] / choose_divisor(*picture.size[::-1])
        resized: Values = moved * factors[:, None, None].astype(moved.dtype)
        return resized

    def to_result(self, values: Values) -> Values:
        vectors: Values = np.ascontiguousarray(np.moveaxis(values, 0, -1))
        return vectors

    def to_json(self, values: Values) -> Any:
        return summarize_vectors(self.to_result(values))


KINDS: Mapping[str, type[AnswerKind]] = {
    "probabilities": Probabilities,
    "points": PlacedPoints,
    "box": PlacedBox,
    "objects": DetectedObjects,
    "instances": ObjectMasks,
    "vector": Vector,
    "map": PixelMap,
    "number_map": NumberMap,
    "vector_map": NumberVectors,
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
