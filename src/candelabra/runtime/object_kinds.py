"""Answers that are lists of objects: boxes, and pixels of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from candelabra.data.decoding.mask_cells import crop_cells, paste_cells
from candelabra.results import BoundingBox, DetectedObject, SegmentedObject
from candelabra.runtime.answer_kind import AnswerKind, Values
from candelabra.runtime.description import PREPARED_SUFFIX, ModelDescription
from candelabra.runtime.pictures import Picture
from candelabra.runtime.placement import clip_boxes, move_boxes_to_file, move_prepared_boxes

_CLASS, _SCORE, _CELLS = 4, 5, 6  # columns of rows of objects; the cells of a mask reach to the end


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
        cut = clip_boxes(boxes, picture)
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
