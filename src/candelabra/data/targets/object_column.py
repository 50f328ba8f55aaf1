"""The values of `boxes` in memory, and how cells of tables and records become them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage, ImageHeader
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.object_rows import CLASS_COLUMN, ROW_WIDTH
from candelabra.data.targets.point_column import move_to_decoded
from candelabra.data.targets.target import Target

Rows = NDArray[np.float32]
_SLACK = 1.0  # pixels: counting from 1 instead of 0 moves a box by so much, which is not reported


class ObjectColumn(TargetColumn):
    """Objects of all samples.

    Args:
        target: of the values.
        values: one a sample: (K, 6) float32, see `BoxesTarget`, in pixels of the file; null where nobody labelled it.
    """

    def __init__(self, target: Target, values: Sequence[Rows | None]) -> None:
        self.target, self.values = target, list(values)

    def labelled(self) -> NDArray[np.bool_]:
        return np.array([each is not None for each in self.values], dtype=bool)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        rows = self.values[index]
        rows = None if rows is None else clip_to_file(rows, image.size)[0]
        if rows is None:
            return self.target.missing((image.pixels.shape[0], image.pixels.shape[1]))
        moved = move_to_decoded(rows[:, :CLASS_COLUMN].reshape(-1, 2), image)
        return torch.from_numpy(np.concatenate([moved.reshape(-1, CLASS_COLUMN), rows[:, CLASS_COLUMN:]], 1))

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.values[index],)

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        found: list[tuple[int, DataIssue]] = []
        for index, header in images.items():
            rows = self.values[index]
            if rows is not None:
                self.values[index], issues = clip_to_file(rows, header.size)
                found += [(index, each) for each in issues]
        return found

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        rows = self.values[index]
        return () if rows is None or image is None else clip_to_file(rows, image.size)[1]


def clip_to_file(rows: Rows, size: tuple[int, int]) -> tuple[Rows | None, list[DataIssue]]:
    """Boxes cut at the borders of an image of (width, height) = `size`, without those outside, and what was changed.

    Null where all are outside: this does not say that the image shows no object.

    >>> rows = np.array([[-5, 2, 4, 9, 0, 1], [12, 0, 15, 5, 0, 1]], np.float32)
    >>> kept, issues = clip_to_file(rows, (8, 8))
    >>> kept.tolist(), [each.what for each in issues]
    ([[0.0, 2.0, 4.0, 8.0, 0.0, 1.0]], ['object partly outside the image, cut', 'object outside the image'])
    """
    cut = rows.copy()
    cut[:, :CLASS_COLUMN] = np.clip(rows[:, :CLASS_COLUMN], 0, np.tile(np.array(size, np.float32), 2))
    inside = (cut[:, 2] > cut[:, 0]) & (cut[:, 3] > cut[:, 1])
    partly = inside & (np.abs(cut - rows).max(1, initial=0) > _SLACK)
    issues = [
        DataIssue("", what, treatment, f"xyxy {' '.join(f'{side:g}' for side in rows[place, :CLASS_COLUMN])}")
        for places, what, treatment in (
            (partly, "object partly outside the image, cut", IssueTreatment.REPAIRED),
            (~inside, "object outside the image", IssueTreatment.UNLABELLED),
        )
        for place in np.flatnonzero(places)
    ]
    return cut[inside] if inside.any() or not len(rows) else None, issues


def parse_object_cells(
    cells: Sequence[Any], names: Sequence[str], classes: int | None, issues: list[DataIssue]
) -> list[Rows | None]:
    """What `BoxesTarget.to_json` wrote, or the same as text: rows of four sides, class index, and score (1 if absent).

    Args:
        cells: one a sample, null where nothing is labelled.
        names: of the samples.
        classes: how many there are; null for any number.
        issues: grows by objects that are malformed, which are left out, and by cells that are, which are unlabelled,
            as are those of malformed objects alone.
    """
    parsed: list[Rows | None] = []
    for cell, name in zip(cells, names, strict=True):
        try:
            listed = json.loads(cell) if isinstance(cell, str) else cell
            parsed.append(None if listed is None else _parse_objects(list(listed), name, classes, issues))
        except (TypeError, ValueError, RecursionError):
            issues.append(DataIssue(name, "boxes are no list of objects", IssueTreatment.UNLABELLED, str(cell)[:80]))
            parsed.append(None)
    return parsed


def _parse_objects(listed: Sequence[Any], name: str, classes: int | None, issues: list[DataIssue]) -> Rows | None:
    rows = []
    for each in listed:
        try:
            row = np.array([*each, 1.0][:ROW_WIDTH], np.float32)
        except (TypeError, ValueError, OverflowError):
            row = np.zeros(0, np.float32)
        fits = row.shape == (ROW_WIDTH,) and bool(np.isfinite(row).all()) and row[CLASS_COLUMN] >= 0
        if fits and row[CLASS_COLUMN] % 1 == 0 and (classes is None or row[CLASS_COLUMN] < classes):
            rows.append(row)
        else:
            issues.append(DataIssue(name, "malformed object", IssueTreatment.UNLABELLED, str(each)[:80]))
    if not rows:
        return None if listed else np.zeros((0, ROW_WIDTH), np.float32)
    return np.stack(rows)
