"""The target `box`: one axis-aligned box an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.drawing import WHITE, draw_rectangle, measure_stroke
from candelabra.data.targets.geometry import MAP_CELLS, ResizeGeometry, fill_boxes, find_map_cells
from candelabra.data.targets.point_column import Floats, PointColumn
from candelabra.data.targets.point_target import PointTarget, wrap_like
from candelabra.data.targets.records import parse_rows
from candelabra.results import BoundingBox
from candelabra.types import Size

BOX_COLUMNS = ("xmin", "ymin", "xmax", "ymax")
_YELLOW = (255, 230, 0)
_SLACK = 1.0  # pixels: counting from 1 instead of 0 moves a box by so much, which is not reported


@dataclass(frozen=True)
class BoxTarget(PointTarget):
    """One box an image: (4,) float32 XYXY pixels, NaN where not labelled."""

    name: ClassVar[str] = "box"
    position: ClassVar[int] = 1
    fields: ClassVar[tuple[str, ...]] = ("box", "bbox")
    hub_columns: ClassVar[tuple[str, ...]] = ("objects.bbox", "objects.box", "bbox", "box")
    upright: ClassVar[bool] = True

    def missing(self, size: Size) -> Tensor:
        return torch.full((4,), torch.nan)

    def is_labelled(self, values: Tensor) -> Tensor:
        return ~values.isnan().any(1)

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        # No clamping: torchvision's crops clamp a box outside of the crop to a line on its edge, which stays labelled.
        box = value.float().view(1, 4)
        wrapped: Tensor = tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=size, clamping_mode=None)
        return wrapped

    def unwrap(self, value: Tensor) -> Tensor:
        return value.as_subclass(Tensor).view(4)

    def points(self, value: Tensor) -> Tensor:
        return value.as_subclass(Tensor).view(2, 2)

    def from_points(self, points: Tensor) -> Tensor:
        return points.flatten()

    def clip(self, value: Tensor, size: Size) -> Tensor:
        """The part of the box that is in the image; unlabelled where its centre has left it."""
        edges = torch.tensor([float(size[1]), float(size[0])])
        corners = self.points(value)
        centre = corners.mean(0)
        gone = bool((centre < 0).any() or (centre > edges).any())
        kept = torch.full_like(corners, torch.nan) if gone else corners.clamp(min=0).minimum(edges)
        return wrap_like(kept.view(1, 4), value)

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        edges = torch.tensor([float(geometry.original[1]), float(geometry.original[0])])
        return self.points(super().to_original(value, geometry)).clamp(min=0).minimum(edges).flatten()

    def find_region(self, value: Tensor, size: Size) -> Tensor | None:
        return None if value.isnan().any() else fill_boxes(value[None], size)

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        if not value.isnan().any():
            draw_rectangle(picture, value.flatten().tolist(), _YELLOW, measure_stroke(picture))
        return picture

    def draw_truth(self, picture: Image.Image, value: Tensor) -> Image.Image:
        if not value.isnan().any():
            draw_rectangle(picture, value.flatten().tolist(), WHITE, (measure_stroke(picture) + 1) // 2)
        return picture

    def prediction_header(self) -> list[str]:
        return list(BOX_COLUMNS)

    def prediction_row(self, value: Tensor) -> list[str]:
        return [f"{each:.2f}" for each in value.flatten()]

    def to_result(self, value: Tensor) -> BoundingBox:
        return BoundingBox(*value.flatten().tolist())

    def to_json_result(self, value: Tensor) -> Any:
        return self.to_result(value)._asdict()

    def table_header(self) -> list[str]:
        return list(BOX_COLUMNS)

    def table_cells(self, value: Any, file: str) -> list[Any]:
        return list(value or [None] * 4)

    def to_json(self, value: Tensor) -> Any:
        box = value.flatten().tolist()
        return None if any(side != side for side in box) else box

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        boxes = parse_rows(cells, names, 4, "box is not four numbers", issues)
        if boxes is None:
            return BoxColumn(np.full((len(cells), 4), np.nan, np.float32)) if described is not None else None
        for row in np.flatnonzero((boxes[:, 2:] < boxes[:, :2]).any(1)).tolist():
            issues.append(DataIssue(names[row], "box is inverted", IssueTreatment.REPAIRED, str(boxes[row].tolist())))
        corners = boxes.reshape(-1, 2, 2)
        boxes = np.concatenate([corners.min(1), corners.max(1)], axis=1)
        for row in np.flatnonzero((boxes[:, 2:] == boxes[:, :2]).any(1)).tolist():
            issues.append(DataIssue(names[row], "box has no area", IssueTreatment.UNLABELLED, str(boxes[row].tolist())))
            boxes[row] = np.nan
        return BoxColumn(boxes)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        extent = np.array([size[1], size[0]])
        corners = np.stack([rng.uniform(0.2, 0.4, 2), rng.uniform(0.6, 0.8, 2)]) * extent
        return cls(), torch.from_numpy(corners.flatten().astype(np.float32))

    @property
    def draw_seed(self) -> int:
        return 1

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """Maps over the image: `covered` is 1 inside of the box, `sides` counts boxes by height and width."""
        covered, sides = np.zeros((2, MAP_CELLS, MAP_CELLS), np.uint8)
        if not value.isnan().any():
            cells, extent = find_map_cells(self.points(value).numpy(), size)
            covered[cells] = 1
            sides[extent] = 1
        return {"covered": covered, "sides": sides}


class BoxColumn(PointColumn):
    """Boxes in memory.

    Args:
        values: (n, 4) float32 XYXY pixels of the file, NaN where not labelled.
    """

    def __init__(self, values: Floats) -> None:
        super().__init__(values)
        self.target = BoxTarget()

    def labelled(self) -> NDArray[np.bool_]:
        return np.logical_not(np.isnan(self.values).any(axis=1))

    @staticmethod
    def clip(values: Floats, sizes: Floats) -> Floats:
        """Boxes cut at the borders of their images; NaN where nothing is left.

        >>> boxes = np.array([[-5, 2, 4, 9], [12, 0, 15, 5]], np.float32)
        >>> BoxColumn.clip(boxes, np.full((2, 2), 8, np.float32)).tolist()
        [[0.0, 2.0, 4.0, 8.0], [nan, nan, nan, nan]]
        """
        cut = np.clip(values, 0, np.tile(sizes, 2)).astype(np.float32)
        area = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])  # false where anything is NaN
        return np.where(area[:, None], cut, np.float32(np.nan))

    @staticmethod
    def find_issues(given: Floats, used: Floats) -> list[DataIssue]:
        if np.isnan(given).any():
            return []
        detail = f"xyxy {' '.join(f'{side:g}' for side in given)}"
        if np.isnan(used).any():
            return [DataIssue("", "box outside the image, or of no area in it", IssueTreatment.UNLABELLED, detail)]
        if np.abs(given - used).max() <= _SLACK:
            return []
        return [DataIssue("", "box partly outside the image, cut", IssueTreatment.REPAIRED, detail)]
