"""The target `instances`: all objects of an image, each with its pixels and a class."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets.boxes import BoxesTarget
from candelabra.data.targets.drawing import WHITE, draw_region, draw_words, measure_stroke, pick_class_colour
from candelabra.data.targets.geometry import MAP_CELLS, ResizeGeometry, find_map_cells, restore_points
from candelabra.data.targets.instance_maps import (
    MOST_CLASSES,
    MOST_UNKNOWN,
    NO_OBJECT,
    UNKNOWN,
    find_crowds,
    find_object_pixels,
    list_codes,
    pack_object,
    replace_classes,
    unpack_classes,
)
from candelabra.data.targets.labels import Labels
from candelabra.data.targets.object_masks import (
    clip_masks,
    encode_run_lengths,
    list_mask_rows,
    number_predictions,
    paste_mask,
)
from candelabra.data.targets.object_rows import CLASS_COLUMN, ROW_WIDTH, SCORE_COLUMN, move_boxes
from candelabra.data.targets.pixel_target import PixelTarget
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.results import BoundingBox, ObjectMask, SegmentedObject
from candelabra.types import Size

_DRAWN_SCORE = 0.25  # least score of a prediction that pictures and label maps show
_NAMED = 40  # objects of a picture that have their class beside them; words would hide more of them
_CHANNELS = 4  # bytes of a pixel in files


class InstanceMap(tv_tensors.Mask):  # type: ignore[misc] # torchvision has no types
    """A class of its own, so that torchvision fills borders with -1 instead of the 255 of class masks."""


@dataclass(frozen=True)
class InstancesTarget(PixelTarget):
    """Objects of an image: (H, W) int32, of which object and class each pixel is; see `instance_maps`.

    0 is no object; -1 is not labelled, in all pixels where nobody labelled the image. Predictions are rows
    (D, 6 + S * S) float32 of box, class and score as those of `BoxesTarget`, and the probabilities of S x S cells in
    the box, S = 28; see `object_masks`. Files are PNG of four channels, the bytes of the number, lowest first.

    Args:
        classes: their names.
    """

    name: ClassVar[str] = "instances"
    position: ClassVar[int] = 5
    fields: ClassVar[tuple[str, ...]] = ("instances",)
    dtype: ClassVar[torch.dtype] = torch.int32
    unlabelled: ClassVar[float] = UNKNOWN
    tensor_class: ClassVar[type[tv_tensors.Mask]] = InstanceMap
    least_crop: ClassVar[float] = 0.5

    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) > MOST_CLASSES:
            raise CandelabraError(
                f"Objects with pixels can have {MOST_CLASSES} classes, but there are {len(self.classes)}; choose some "
                "with data.classes."
            )

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        if not value.is_floating_point():
            return super().to_original(value, geometry)
        rows = list_mask_rows(value)
        corners = restore_points(rows[:, :CLASS_COLUMN].reshape(-1, 2), geometry)
        return clip_masks(torch.cat([corners.view(-1, CLASS_COLUMN), rows[:, CLASS_COLUMN:]], 1), geometry.original)

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        if not value.is_floating_point():
            return super().enlarge(value, factor, size)
        rows = list_mask_rows(value)
        return torch.cat([move_boxes(rows[:, :ROW_WIDTH], (factor, factor), (0, 0)), rows[:, ROW_WIDTH:]], 1)

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        try:
            with Image.open(io.BytesIO(raw)) as image:
                pixels = np.array(image)
        except (OSError, ValueError) as error:
            raise UnreadableFile(f"{name} is no map of objects ({error}).") from error
        if pixels.ndim != 3 or pixels.shape[2] != _CHANNELS or pixels.dtype != np.uint8:
            raise UnreadableFile(f"{name} is no map of objects: it has not four channels of 8 bits.")
        return torch.from_numpy(pixels.view("<i4")[..., 0].astype(np.int32))

    def encode_map(self, value: Tensor) -> bytes:
        numbers = np.ascontiguousarray(value.as_subclass(Tensor).to(torch.int32).numpy(), "<i4")
        made = io.BytesIO()
        Image.fromarray(numbers.view(np.uint8).reshape(*numbers.shape, _CHANNELS), "RGBA").save(made, "PNG")
        return made.getvalue()

    def find_region(self, value: Tensor, size: Size) -> Tensor | None:
        inside = find_object_pixels(value) & ~find_crowds(value)
        return inside if bool(inside.any()) else None

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        """Each object in a colour of its own, half transparent with an outline; crowds grey."""
        masks = self._list_masks(picture, value)
        for place, (mask, number, score) in [*enumerate(masks)][::-1]:
            colour = pick_class_colour(place + 1)
            draw_region(picture, (mask.left, mask.top), mask.inside, colour, measure_stroke(picture), 0.5)
            if len(self.classes) > 1 and len(masks) <= _NAMED:
                words = self._name_class(number) if score == 1 else f"{self._name_class(number)} {score:.2f}"
                draw_words(picture, (mask.left, mask.top), colour, words)
        return picture

    def draw_truth(self, picture: Image.Image, value: Tensor) -> Image.Image:
        for mask, _, _ in self._list_masks(picture, value):
            draw_region(picture, (mask.left, mask.top), mask.inside, WHITE, measure_stroke(picture), 0)
        return picture

    def _list_masks(self, picture: Image.Image, value: Tensor) -> list[tuple[ObjectMask, int, float]]:
        """Pixels, class and score of each object, the most certain ones first."""
        if value.is_floating_point():
            rows = list_mask_rows(value)
            found = [row for row in rows if float(row[SCORE_COLUMN]) >= _DRAWN_SCORE]
            return [(paste_mask(row), int(row[CLASS_COLUMN]), float(row[SCORE_COLUMN])) for row in found]
        plain = value.as_subclass(Tensor)
        codes, boxes = list_codes(plain)
        masks = []
        for code, (left, top, right, bottom) in zip(codes.tolist(), boxes.int().tolist(), strict=True):
            if not code % 2:
                inside = (plain[top:bottom, left:right] == code).numpy()
                masks.append((ObjectMask(top, left, inside), int(unpack_classes(torch.tensor(code))), 1.0))
        return masks

    def prediction_header(self) -> list[str]:
        return ["objects", "instances"]

    def prediction_row(self, value: Tensor) -> list[str]:
        found = self.to_json_result(value)
        return [str(len(found)), json.dumps(found, ensure_ascii=False)]

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes <target>/<name>.png: 16 bits a pixel, the number of its object among those of the JSON, 0 for none."""
        path = folder / self.name / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(number_predictions(list_mask_rows(value), size)).save(path)

    def to_result(self, value: Tensor) -> list[SegmentedObject]:
        return [
            SegmentedObject(
                self._name_class(int(row[CLASS_COLUMN])),
                float(row[SCORE_COLUMN]),
                BoundingBox(*row[:CLASS_COLUMN].tolist()),
                paste_mask(row),
            )
            for row in list_mask_rows(value)
        ]

    def to_json_result(self, value: Tensor) -> Any:
        return [
            {
                "name": self._name_class(int(number)),
                "score": round(score, 4),
                "box": [round(side, 2) for side in sides],
            }
            for *sides, number, score in list_mask_rows(value)[:, :ROW_WIDTH].tolist()
        ]

    def to_coco(self, value: Tensor, size: Size) -> list[dict[str, Any]]:
        found = []
        for row in list_mask_rows(value):
            inside = paste_mask(row).spread(size)
            left, top, right, bottom = row[:CLASS_COLUMN].tolist()
            found.append(
                {
                    "category_id": int(row[CLASS_COLUMN]) + 1,
                    "bbox": [round(side, 3) for side in (left, top, right - left, bottom - top)],
                    "segmentation": encode_run_lengths(inside),
                    "area": int(inside.sum()),
                    "iscrowd": 0,
                    "score": round(float(row[SCORE_COLUMN]), 5),
                }
            )
        return found

    @property
    def confusion_classes(self) -> Sequence[str]:
        return (*self.classes, "background")

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        value = torch.full(size, NO_OBJECT, dtype=torch.int32)
        for number in (1, 2):
            rows, columns = (np.sort(rng.uniform(0.2, 0.8, 2) * side).astype(int) for side in size)
            value[rows[0] : rows[1] + 4, columns[0] : columns[1] + 4] = pack_object(number, int(rng.integers(2)))
        value[: size[0] // 10] = UNKNOWN
        return cls(("circle", "square")), value

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`covered` and `sides` as of `box`, over all objects; `objects` counts them by class."""
        covered, sides = np.zeros((2, MAP_CELLS, MAP_CELLS), np.int64)
        codes, boxes = list_codes(value.as_subclass(Tensor))
        taught = ~find_crowds(codes)
        for box in boxes[taught].numpy():
            cells, extent = find_map_cells(box, size)
            covered[cells] += 1
            sides[extent] += 1
        numbers = unpack_classes(codes[taught]).numpy()
        return {"covered": covered, "sides": sides, "objects": np.bincount(numbers, minlength=len(self.classes))}

    def merge(self, other: Self) -> Self | None:
        """Both classes together; null where more than 23 classes are in one of the two alone."""
        merged = type(self)(tuple(dict.fromkeys((*self.classes, *other.classes))))
        places = [merged.classes.index(name) for name in set(self.classes) ^ set(other.classes)]
        return merged if max(places, default=0) < MOST_UNKNOWN else None

    def match_value(self, value: Tensor, given: Self, size: Size) -> Tensor:
        """The objects by the classes of this target; where none is, classes that nobody looked for are unknown."""
        unknown = [number for number, name in enumerate(self.classes) if name not in given.classes]
        numbers = [self.classes.index(name) for name in given.classes]
        return self.wrap(replace_classes(value.as_subclass(Tensor), numbers, unknown), size)

    def _name_class(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)


def find_object_target(labels: Labels) -> BoxesTarget | InstancesTarget | None:
    """The target that holds all objects of an image, with their boxes or with their pixels."""
    return labels.find(BoxesTarget) or labels.find(InstancesTarget)
