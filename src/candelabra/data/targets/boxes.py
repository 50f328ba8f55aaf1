"""The target `boxes`: all objects of an image, each with a box and a class."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torchvision import tv_tensors

from candelabra.data.issues import DataIssue
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.drawing import (
    WHITE,
    draw_named_rectangle,
    draw_rectangle,
    measure_stroke,
    pick_class_colour,
)
from candelabra.data.targets.geometry import MAP_CELLS, Part, ResizeGeometry, fill_boxes, find_map_cells, restore_points
from candelabra.data.targets.object_column import ObjectColumn, parse_object_cells
from candelabra.data.targets.object_rows import (
    CLASS_COLUMN,
    IGNORED_SCORE,
    ROW_WIDTH,
    SCORE_COLUMN,
    ObjectRows,
    clip_rows,
    compute_areas,
    list_objects,
    mirror_boxes,
    move_boxes,
)
from candelabra.data.targets.target import Target
from candelabra.results import BoundingBox, DetectedObject
from candelabra.types import Size

_PADDING = -1.0  # in all columns of a row that only fills a batch
_GREY = (150, 150, 150)


@dataclass(frozen=True)
class BoxesTarget(Target):
    """Objects of an image: (K, 6) float32, each XYXY in pixels, class index and score; K may be 0.

    The score of a label is 1. A score of 0 marks a region that neither teaches nor counts for its class (a crowd, or
    the whole image where nobody looked for the class). One row of NaN says that nobody labelled the image, which
    differs from no row: labelled, and no object is there. In a batch (N, K, 6), rows of -1 fill up shorter samples.

    Args:
        classes: their names.
    """

    name: ClassVar[str] = "boxes"
    position: ClassVar[int] = 4
    fields: ClassVar[tuple[str, ...]] = ("boxes",)
    placed: ClassVar[bool] = True
    upright: ClassVar[bool] = True
    ragged: ClassVar[bool] = True
    joins: ClassVar[bool] = True
    least_crop: ClassVar[float] = 0.5

    classes: tuple[str, ...] = ()

    def missing(self, size: Size) -> Tensor:
        return torch.full((1, ROW_WIDTH), torch.nan)

    def blank_like(self, value: Tensor) -> Tensor:
        blank = torch.full((*value.shape[:-2], 1, ROW_WIDTH), torch.nan, device=value.device)
        return tv_tensors.wrap(blank, like=value) if isinstance(value, tv_tensors.TVTensor) else blank

    def is_labelled(self, values: Tensor) -> Tensor:
        return ~values.isnan().flatten(1).any(1)

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        return value.float().as_subclass(ObjectRows)

    def collate(self, values: Sequence[Tensor]) -> Tensor:
        return pad_sequence(list(values), batch_first=True, padding_value=_PADDING)

    def crop_and_resize(self, value: Tensor, part: Part, size: Size) -> Tensor:
        top, left, height, width = part
        scale = size[1] / width, size[0] / height
        return self.wrap(move_boxes(value, scale, (-left * scale[0], -top * scale[1])), size)

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        rows = value.as_subclass(Tensor)
        boxes = mirror_boxes(rows[:, :CLASS_COLUMN], size[1])
        return self.wrap(torch.cat([boxes, rows[:, CLASS_COLUMN:]], 1), size)

    def clip(self, value: Tensor, size: Size) -> Tensor:
        """The parts of boxes that are in the image; objects less than `min_visible` of which is left are dropped."""
        rows = value.as_subclass(Tensor)
        if rows.isnan().any():
            return value
        cut = clip_rows(rows, size)
        least = torch.where(rows[:, SCORE_COLUMN] > IGNORED_SCORE, self.min_visible, 0.0)
        area = compute_areas(cut)
        return self.wrap(cut[(area > 0) & (area >= least * compute_areas(rows))], size)

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        corners = restore_points(value[:, :CLASS_COLUMN].reshape(-1, 2), geometry)
        rows = torch.cat([corners.view(-1, CLASS_COLUMN), value[:, CLASS_COLUMN:]], 1)
        rows = clip_rows(rows, geometry.original)
        return rows[compute_areas(rows) > 0]

    def resize_batch(self, values: Tensor, old: Size, new: Size) -> Tensor:
        moved = move_boxes(values, (new[1] / old[1], new[0] / old[0]), (0, 0))
        return torch.where(values[..., CLASS_COLUMN, None] < 0, values, moved)

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        return move_boxes(value, (factor, factor), (0, 0))

    def find_region(self, value: Tensor, size: Size) -> Tensor | None:
        objects = value[(value[:, CLASS_COLUMN] >= 0) & (value[:, SCORE_COLUMN] > IGNORED_SCORE)]
        return fill_boxes(objects[:, :CLASS_COLUMN], size) if len(objects) else None

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        width = measure_stroke(picture)
        for row in reversed(list_objects(value)):  # the most certain ones last, on top
            box, number, score = row[:CLASS_COLUMN], int(row[CLASS_COLUMN]), row[SCORE_COLUMN]
            if score == IGNORED_SCORE:
                draw_rectangle(picture, box, _GREY, (width + 1) // 2)
            else:
                words = self._name_class(number) if score == 1 else f"{self._name_class(number)} {score:.2f}"
                draw_named_rectangle(picture, box, pick_class_colour(number + 1), width, words)
        return picture

    def draw_truth(self, picture: Image.Image, value: Tensor) -> Image.Image:
        for row in list_objects(value):
            if row[SCORE_COLUMN] > IGNORED_SCORE:
                draw_rectangle(picture, row[:CLASS_COLUMN], WHITE, (measure_stroke(picture) + 1) // 2)
        return picture

    def prediction_header(self) -> list[str]:
        return ["objects", "boxes"]

    def prediction_row(self, value: Tensor) -> list[str]:
        found = self.to_json_result(value)
        return [str(len(found)), json.dumps(found, ensure_ascii=False)]

    def to_result(self, value: Tensor) -> list[DetectedObject]:
        return [
            DetectedObject(self._name_class(int(number)), score, BoundingBox(*sides))
            for *sides, number, score in list_objects(value)
        ]

    def to_json_result(self, value: Tensor) -> Any:
        return [
            {"name": each.name, "score": round(each.score, 4), "box": [round(side, 2) for side in each.box]}
            for each in self.to_result(value)
        ]

    def to_coco(self, value: Tensor, size: Size) -> list[dict[str, Any]]:
        return [
            {
                "category_id": int(number) + 1,
                "bbox": [round(side, 3) for side in (left, top, right - left, bottom - top)],
                "area": round((right - left) * (bottom - top), 3),
                "iscrowd": 0,
                "score": round(score, 5),
            }
            for left, top, right, bottom, number, score in list_objects(value)
        ]

    @property
    def confusion_classes(self) -> Sequence[str]:
        return (*self.classes, "background")

    def table_header(self) -> list[str]:
        return ["boxes"]

    def table_cells(self, value: Any, file: str) -> list[Any]:
        return [None if value is None else json.dumps(value)]

    def to_json(self, value: Tensor) -> Any:
        return None if value.isnan().any() else list_objects(value)

    @classmethod
    def read_table(cls, table: Any, root: Any, described: Self | None, issues: list[DataIssue]) -> TargetColumn | None:
        if cls.name not in table:
            return None
        cells = [cell if isinstance(cell, str) and cell.strip() else None for cell in table[cls.name].tolist()]
        return cls.read_records(cells, table["image"].tolist(), described, issues)

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        if described is None and all(cell is None for cell in cells):
            return None
        rows = parse_object_cells(cells, names, len(described.classes) if described else None, issues)
        found = {int(number) for each in rows if each is not None for number in each[:, CLASS_COLUMN]}
        classes = described.classes if described else tuple(str(number) for number in range(max(found, default=-1) + 1))
        return ObjectColumn(cls(classes), rows)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        extent = np.array([size[1], size[0]])
        corners = np.stack([rng.uniform(0.2, 0.4, 2), rng.uniform(0.6, 0.8, 2)]) * extent
        row = [*corners.flatten(), float(rng.integers(2)), 1.0]
        return cls(("circle", "square")), torch.tensor([row], dtype=torch.float32)

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`covered` and `sides` as of `box`, over all objects; `objects` counts them by class."""
        covered, sides = np.zeros((2, MAP_CELLS, MAP_CELLS), np.int64)
        objects = np.zeros(len(self.classes), np.int64)
        for row in list_objects(value):
            if row[SCORE_COLUMN] == IGNORED_SCORE:
                continue
            objects[int(row[CLASS_COLUMN])] += 1
            cells, extent = find_map_cells(np.array(row[:CLASS_COLUMN], np.float32), size)
            covered[cells] += 1
            sides[extent] += 1
        return {"covered": covered, "sides": sides, "objects": objects}

    def merge(self, other: Self) -> Self | None:
        return type(self)(tuple(dict.fromkeys((*self.classes, *other.classes))))

    def match_value(self, value: Tensor, given: Self, size: Size) -> Tensor:
        """The objects by the classes of this target; classes that nobody looked for are ignored in the whole image."""
        rows = value.as_subclass(Tensor)
        if rows.isnan().any():
            return value
        numbers = torch.tensor([self.classes.index(name) for name in given.classes], dtype=rows.dtype)
        unknown = [number for number, name in enumerate(self.classes) if name not in given.classes]
        whole = [(0, 0, size[1], size[0], number, IGNORED_SCORE) for number in unknown]
        moved = rows.clone()
        moved[:, CLASS_COLUMN] = numbers[rows[:, CLASS_COLUMN].long()]
        ignored = torch.tensor(whole, dtype=rows.dtype).reshape(-1, ROW_WIDTH)
        return self.wrap(torch.cat([moved, ignored]), size)

    def _name_class(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)
