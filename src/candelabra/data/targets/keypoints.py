"""The target `keypoints`: named points of an image."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.drawing import draw_point_names, draw_points, draw_true_points
from candelabra.data.targets.fields import check_field
from candelabra.data.targets.geometry import MAP_CELLS
from candelabra.data.targets.point_column import Floats, PointColumn
from candelabra.data.targets.point_names import (
    find_point,
    list_unpaired,
    pair_all_by_name,
    parse_mirror_pairs,
    parse_point_pairs,
)
from candelabra.data.targets.point_target import PointTarget, wrap_like
from candelabra.data.targets.records import parse_rows
from candelabra.errors import CandelabraError, list_nearest
from candelabra.results import Point
from candelabra.types import Size


@dataclass(frozen=True)
class KeypointsTarget(PointTarget):
    """Named points: (K, 2) float32 XY pixels, NaN for a point that is not labelled or not visible.

    Args:
        names: of the points.
        mirrored: for each point, the index of the point it becomes in a mirror image (left eye <-> right eye); empty
            where each is its own, null where it is not known, so that images cannot be mirrored.
        normalizer: the two points whose distance makes the error relative (outer eye corners, say); empty for the
            diagonal of the image.
        skeleton: pairs of points, by index, that pictures join with a line; no more than that, so targets that differ
            in it alone are equal.
    """

    name: ClassVar[str] = "keypoints"
    position: ClassVar[int] = 2
    fields: ClassVar[tuple[str, ...]] = ("keypoints",)
    layer: ClassVar[int] = 2
    table_hint = "A table without names of points needs data.points=<number>: its last columns are x, y, x, y, ..."

    names: tuple[str, ...] = ()
    mirrored: tuple[int, ...] | None = ()
    normalizer: tuple[int, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    def missing(self, size: Size) -> Tensor:
        return torch.full((len(self.names), 2), torch.nan)

    def is_labelled(self, values: Tensor) -> Tensor:
        return (~values.isnan()).all(2).any(1)

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        wrapped: Tensor = tv_tensors.KeyPoints(value.float(), canvas_size=size)
        return wrapped

    def points(self, value: Tensor) -> Tensor:
        return value.as_subclass(Tensor)

    def from_points(self, points: Tensor) -> Tensor:
        return points

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        """Mirrored points; sided ones swap names, which torchvision leaves to us.

        Nor is its place used: it mirrors points as if x = 0 were the centre of the first pixel, boxes as its edge.
        """
        points = self.points(value) * torch.tensor([-1.0, 1.0]) + torch.tensor([float(size[1]), 0.0])
        return wrap_like(points[list(self.mirrored)] if self.mirrored else points, value)

    @property
    def mirror_problem(self) -> str:
        if self.mirrored is not None:
            return ""
        points = list_nearest("", list_unpaired(self.names) or ["the points"], 6)
        return (
            f"the mirror image of {points} is not known; name pairs with data.mirror=[[left_eye,right_eye],...], "
            "[] for none, or set data.flip=false"
        )

    def drop_training_fields(self) -> Self:
        return replace(self, mirrored=())

    def clip(self, value: Tensor, size: Size) -> Tensor:
        edges = torch.tensor([float(size[1]), float(size[0])])
        points = self.points(value)
        outside = ((points < 0) | (points > edges)).any(1)
        return wrap_like(points.masked_fill(outside[:, None], torch.nan), value)

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        points = self.points(value).double().numpy()
        draw_points(picture, points, self.skeleton)
        draw_point_names(picture, points, self.skeleton, self.names)
        return picture

    def draw_truth(self, picture: Image.Image, value: Tensor) -> Image.Image:
        draw_true_points(picture, self.points(value).double().numpy())
        return picture

    def prediction_header(self) -> list[str]:
        return [f"{name}_{axis}" for name in self.names for axis in "xy"]

    def prediction_row(self, value: Tensor) -> list[str]:
        return [f"{each:.2f}" for each in value.flatten()]

    def to_result(self, value: Tensor) -> dict[str, Point]:
        return {name: Point(*place) for name, place in zip(self.names, value.tolist(), strict=True)}

    def to_json_result(self, value: Tensor) -> Any:
        return {name: list(place) for name, place in self.to_result(value).items()}

    def table_header(self) -> list[str]:
        return self.prediction_header()

    def table_cells(self, value: Any, file: str) -> list[Any]:
        points: list[list[float] | None] = value or [None] * len(self.names)
        return [each for point in points for each in (point or (None, None))]

    def to_json(self, value: Tensor) -> Any:
        rows = [None if any(each != each for each in point) else point for point in value.tolist()]
        return rows if any(rows) else None

    def to_plain(self) -> dict[str, Any]:
        """Points are named, not numbered, so that people can write and read them."""
        pairs = [[self.names[i], self.names[j]] for i, j in enumerate(self.mirrored or ()) if i < j]
        mirror = None if self.mirrored is None else pairs
        joined = [[self.names[i], self.names[j]] for i, j in self.skeleton]
        normalizer = [self.names[i] for i in self.normalizer]
        return {"names": list(self.names), "mirror": mirror, "normalizer": normalizer, "skeleton": joined}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        known = ("names", "mirror", "normalizer", "skeleton")
        for key in plain:
            if key not in known:
                raise CandelabraError(f"{where}: {cls.name} has no {key!r}; allowed are {list_nearest(key, known)}.")
        names = check_field(plain.get("names", ()), (), f"{where}: names")
        pairs = plain.get("mirror")
        mirrored = pair_all_by_name(names) if pairs is None else parse_mirror_pairs(names, pairs, f"{where}: mirror")
        pair = tuple(find_point(names, point, f"{where}: normalizer") for point in plain.get("normalizer", ()))
        skeleton = parse_point_pairs(names, plain.get("skeleton", ()), f"{where}: skeleton")
        return cls(names, mirrored, pair, skeleton)

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> TargetColumn | None:
        target = described or cls()
        flat = [_flatten(cell, len(target.names)) for cell in cells]
        count = len(target.names) or next((len(cell) // 2 for cell in flat if cell), 0)
        rows = parse_rows(flat, names, 2 * count, "keypoints are not as many as there are names", issues)
        if rows is None:
            missing = np.full((len(cells), len(target.names), 2), np.nan, np.float32)
            return KeypointsColumn(target, missing) if target.names else None
        if not target.names:
            target = cls(tuple(str(number) for number in range(count)), None)
        points = rows.reshape(-1, count, 2)
        return KeypointsColumn(target, np.where(np.isnan(points).any(2, keepdims=True), np.float32("nan"), points))

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        points = (rng.uniform(0.2, 0.8, (3, 2)) * np.array([size[1], size[0]])).astype(np.float32)
        return cls(("left_eye", "right_eye", "nose"), (1, 0, 2), (0, 1), ((0, 2), (1, 2))), torch.from_numpy(points)

    @property
    def draw_seed(self) -> int:
        return 2

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`visible` counts each point; `places` counts all points in a map over the image."""
        points = self.points(value).numpy() / np.array([size[1], size[0]], np.float32)
        known = ~np.isnan(points).any(1)
        inside = points[known & (points >= 0).all(1) & (points <= 1).all(1)]
        cells = np.minimum((inside * MAP_CELLS).astype(int), MAP_CELLS - 1)
        places = np.zeros((MAP_CELLS, MAP_CELLS), np.uint16)
        np.add.at(places, (cells[:, 1], cells[:, 0]), 1)
        return {"visible": known.astype(np.int64), "places": places}


class KeypointsColumn(PointColumn):
    """Points in memory.

    Args:
        target: names the points.
        values: (n, K, 2) float32 XY pixels of the file, NaN where not labelled.
    """

    def __init__(self, target: KeypointsTarget, values: Floats) -> None:
        super().__init__(values)
        self.target = target

    def labelled(self) -> NDArray[np.bool_]:
        return np.logical_not(np.isnan(self.values).all(axis=(1, 2)))

    @staticmethod
    def clip(values: Floats, sizes: Floats) -> Floats:
        """Points, those outside of their image as NaN."""
        there = ((values >= 0) & (values <= sizes[:, None])).all(2, keepdims=True)
        return np.where(there, values, np.float32(np.nan)).astype(np.float32)

    @staticmethod
    def find_issues(given: Floats, used: Floats) -> list[DataIssue]:
        known = np.isfinite(given).all(1)
        lost = int((known & np.isnan(used).any(1)).sum())
        broken = int((~known & ~np.isnan(given).all(1)).sum())
        found = []
        if lost:
            detail = f"{lost} of {int(known.sum())}"
            found.append(DataIssue("", "keypoints outside the image", IssueTreatment.UNLABELLED, detail))
        if broken:
            detail = f"{broken}"
            found.append(DataIssue("", "keypoints of which a number is missing", IssueTreatment.UNLABELLED, detail))
        return found


def _flatten(cell: Any, count: int) -> Any:
    """Points as x, y, x, y, ...; one that is null, or whose third number says invisible, is NaN.

    Args:
        cell: points, or their numbers one after another.
        count: of the points; 0 where it is not known.
    """
    if not isinstance(cell, list | tuple):
        return cell
    if count and len(cell) == 3 * count and not any(isinstance(point, list | tuple) for point in cell):
        cell = [cell[place : place + 3] for place in range(0, len(cell), 3)]
    if not any(isinstance(point, list | tuple) for point in cell):
        return cell
    flat: list[Any] = []
    for point in cell:
        seen = isinstance(point, list | tuple) and (len(point) == 2 or (len(point) == 3 and _is_visible(point[2])))
        flat += list(point[:2]) if seen else [math.nan, math.nan]
    return [math.nan if value is None else value for value in flat]


def _is_visible(flag: Any) -> bool:
    return isinstance(flag, int | float) and flag > 0
