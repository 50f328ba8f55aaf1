"""A table with one row per image, CSV or Parquet, with columns for any targets; any cell may be empty."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.labels_json import merge_label_options
from candelabra.data.readers import table_cells
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.readers.table_detection import find_label_table
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget, Labels, LabelTarget, MaskTarget, TargetColumn, list_target_classes
from candelabra.data.targets.box import BOX_COLUMNS, BoxColumn
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LABEL_SEPARATOR, LabelColumn
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import IGNORED

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Table(Reader):
    """Columns image, split, label, xmin ymin xmax ymax, <point>_x <point>_y and mask; all but image optional.

    What labels.json beside it says (see `candelabra.data.labels_json`) holds where an argument is not given.
    Rows of one image that contradict each other leave unlabelled what they contradict each other in.

    Args:
        root: the folder that paths are below.
        file: the table, below root, or one a split: {train: a.csv, test: b.csv}; its first column is the image where
            none is called so.
        images: the folder that image paths are below, below root, or one a split.
        splits: another table, below root, with the columns image and split; images it lacks are left out.
        points: number of unnamed points, where the table ends in x, y, x, y, ... columns.
        mirror: pairs of points that swap when an image is mirrored; null pairs them by left and right in their names.
        normalizer: two points whose distance normalizes keypoint errors; empty for the diagonal of the image.
        separator: what stands between several labels of one image; null for one label an image.
        columns: of 0 and 1, one a class, several of which may hold for one image; a row with an empty one has no label.
        mask_classes: names of the classes of a mask, by pixel value.
        ignore: pixel values of a mask that neither teach nor count.
    """

    tier = DetectionTier.TABLES

    root: str
    file: str | Mapping[str, str] = "table.csv"
    images: str | Mapping[str, str] = ""
    splits: str | None = None
    points: int | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()
    separator: str | None = None
    columns: Sequence[str] = ()
    mask_classes: Sequence[str] = ()
    ignore: Sequence[int] = (255,)

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        found = find_label_table(root)
        if found is None:
            return None
        reader = cls(root=str(root), file=found.file, images=found.images, points=found.points)
        return FormatMatch("table", str(found.file), reader)

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        table = self._table(root, issues)
        names = self._points(table)
        described = merge_label_options(self.root, None)
        told = described.find(KeypointsTarget) or KeypointsTarget()
        same = tuple(names) == told.names
        normalizer = self.normalizer or [told.names[point] for point in told.normalizer if same]
        known = resolve_points(names, self.mirror, normalizer, told.mirrored if same else None)
        boxed = all(side in table for side in BOX_COLUMNS)
        table = table_cells.merge_repeated(
            table, [*([BOX_COLUMNS] if boxed else []), *([f"{name}_x", f"{name}_y"] for name in names)], issues
        )
        given = described.find(LabelTarget) or LabelTarget()
        separator = self.separator or (LABEL_SEPARATOR if given.multilabel and not self.columns else None)
        classes, label = self._labels(table, separator, given.classes, issues)
        images = table["image"].tolist()
        sides = table_cells.parse_numbers(table, BOX_COLUMNS, issues).to_numpy(np.float32) if boxed else None
        columns: list[TargetColumn] = []
        if label is not None:
            columns.append(LabelColumn(LabelTarget(classes, separator is not None or bool(self.columns)), label))
        if sides is not None:
            columns.append(BoxColumn(repair_boxes(sides, images, issues)))
        coordinates = self._coordinates(table, names, issues)
        if coordinates is not None:
            columns.append(KeypointsColumn(known, coordinates))
        columns += self._masks(table, root, described)
        columns += _read_other_targets(table, root, described, issues)
        return FileSamples(root, images, table_cells.read_split_column(table), columns, issues)

    def _masks(self, table: "DataFrame", root: Path, described: Labels) -> list[TargetColumn]:
        classes = tuple(self.mask_classes) or (described.find(MaskTarget) or MaskTarget()).classes
        if MaskTarget.name not in table or not classes:
            return []
        meaning = np.full(256, IGNORED, np.uint8)
        meaning[: len(classes)] = range(len(classes))
        meaning[[value for value in self.ignore if value < 256]] = IGNORED
        paths = table[MaskTarget.name].fillna("").astype(str).tolist()
        return [MaskFileColumn(MaskTarget(classes), root, paths, meaning)]

    def _table(self, root: Path, issues: list[DataIssue]) -> "DataFrame":
        """The rows of all files, with paths below root."""
        import pandas

        folders = table_cells.load_tables_by_split(self.images, "images")
        parts = []
        for split, file in table_cells.load_tables_by_split(self.file, "file").items():
            part = table_cells.load_table(root / file, issues)
            if self.splits:
                listed = table_cells.load_table(root / self.splits, issues).drop_duplicates("image")
                part = part.drop(columns="split", errors="ignore").merge(listed[["image", "split"]], on="image")
            folder = folders.get(split, folders.get("", ""))
            paths = [os.path.join(folder, name) for name in part["image"].astype(str)]  # noqa: PTH118
            part = part.copy().assign(image=paths)
            parts.append(part.assign(split=split) if split else part)
        return pandas.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    def _points(self, table: "DataFrame") -> list[str]:
        if self.points:
            return [str(number) for number in range(self.points)]
        return [c[:-2] for c in table.columns if c.endswith("_x") and f"{c[:-2]}_y" in table.columns]

    def _coordinates(
        self, table: "DataFrame", names: Sequence[str], issues: list[DataIssue]
    ) -> NDArray[np.float32] | None:
        if not names:
            return None
        columns = [f"{name}_{axis}" for name in names for axis in "xy"]
        if self.points:
            columns = [c for c in table.columns if c not in ("split", LabelTarget.name, MaskTarget.name, *BOX_COLUMNS)][
                -2 * self.points :
            ]
        flat = table_cells.parse_numbers(table, columns, issues).to_numpy(np.float32).reshape(len(table), -1, 2)
        return np.where(np.isfinite(flat).all(2, keepdims=True), flat, np.float32("nan"))

    def _labels(
        self, table: "DataFrame", separator: str | None, told: Sequence[str], issues: list[DataIssue]
    ) -> tuple[tuple[str, ...], NDArray[np.int64] | NDArray[np.float32] | None]:
        import pandas

        if self.columns:
            return self._columns(table, issues)
        if LabelTarget.name not in table:
            return (), None
        given = table[LabelTarget.name].convert_dtypes()  # or whole numbers beside an empty cell would end in .0
        if separator is None:
            known = list(told) or sorted(given.dropna().astype(str).unique())
            _must_be_known(given.dropna().astype(str).unique(), known)
            codes = pandas.Categorical(given.astype("string"), categories=known).codes  # -1 for an empty cell
            return tuple(known), np.asarray(codes, np.int64)
        lists = [
            None if cell is pandas.NA else {name.strip() for name in str(cell).split(separator)} - {""}
            for cell in given
        ]
        found = {name for names in lists if names for name in names}
        known = list(told) or sorted(found)
        _must_be_known(found, known)
        places = {name: place for place, name in enumerate(known)}
        label = np.full((len(table), len(known)), np.nan, np.float32)
        for row, names in enumerate(lists):
            if names is not None:
                label[row] = 0
                label[row, [places[name] for name in names]] = 1
        return tuple(known), label

    def _columns(self, table: "DataFrame", issues: list[DataIssue]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        if self.separator is not None:
            raise CandelabraError("data.columns and data.separator both say where labels are; give one of them.")
        for column in self.columns:
            if column not in table:
                raise CandelabraError(
                    f"data.columns names {column}; the table has {list_nearest(column, table.columns)}."
                )
        label = table_cells.parse_numbers(table, self.columns, issues).to_numpy(np.float32, copy=True)
        for row in np.flatnonzero(~(np.isnan(label) | (label == 0) | (label == 1)).all(1)):
            name = str(table["image"].iloc[row])
            issues.append(DataIssue(name, "class is neither 0 nor 1", IssueTreatment.UNLABELLED))
            label[row] = np.nan
        return tuple(self.columns), label


def _read_other_targets(
    table: "DataFrame", root: Path, described: Labels, issues: list[DataIssue]
) -> list[TargetColumn]:
    found = (kind.read_table(table, root, described.find(kind), issues) for kind in list_target_classes().values())
    return [column for column in found if column is not None]


def _must_be_known(found: Iterable[str], known: Sequence[str]) -> None:
    for name in sorted(set(found) - set(known)):
        raise CandelabraError(f"The table has the label {name!r}; labels.json has {list_nearest(name, known)}.")
