"""A table with one row per image, CSV or Parquet, with columns for any targets; any cell may be empty."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.file_samples import FileSamples
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.labels_json import merge_label_options
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers import table_cells
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.listed_files import find_listed_images, find_listed_values
from candelabra.data.readers.mask_values import MaskValues, find_mask_values, number_mask_classes
from candelabra.data.readers.point_shares import scale_shares
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.point_visibility import drop_invisible_points, find_visibility_columns
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader
from candelabra.data.readers.repairs import repair_boxes
from candelabra.data.readers.table_boxes import read_object_rows
from candelabra.data.readers.table_columns import describe_unread, load_table
from candelabra.data.readers.table_detection import find_label_table
from candelabra.data.readers.table_frames import fit_table_to_files
from candelabra.data.readers.table_labels import read_label_columns, read_label_words
from candelabra.data.readers.table_objects import choose_object_rows
from candelabra.data.readers.table_places import list_points
from candelabra.data.readers.table_values import read_value_names
from candelabra.data.samples import Samples
from candelabra.data.targets import (
    KeypointsTarget,
    Labels,
    LabelTarget,
    MaskTarget,
    TargetColumn,
    ValueTarget,
    list_target_classes,
)
from candelabra.data.targets.box import BOX_COLUMNS, BoxColumn
from candelabra.data.targets.keypoints import KeypointsColumn
from candelabra.data.targets.label import LABEL_SEPARATOR
from candelabra.data.targets.mask_files import MaskFileColumn
from candelabra.data.targets.target_classes import list_file_target_classes
from candelabra.errors import CandelabraError
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
        skeleton: pairs of points that pictures join with a line; null goes by labels.json.
        objects: where boxes make a row an object, which of several of an image gives the labels: largest, first, or
            single (several: unlabelled).
        separator: what stands between several labels of one image; null for one label an image.
        columns: of 0 and 1, one a class, several of which may hold for one image; a row with an empty one has no label.
        mask_classes: names of the classes of a mask, by pixel value; empty for those of the values that occur.
        values, grade: columns of numbers and the column of grades to learn; empty and null for value and ordinal.
        words: what labels.json says, in place of it, such as {depth_scale: 0.01}; null for the file.
        ignore: pixel values of a mask that neither teach nor count; null for 255, unless masks hold 0 and 255 alone.
    """

    tier = DetectionTier.TABLES

    root: str
    file: str | Mapping[str, str] = "table.csv"
    images: str | Mapping[str, str] = ""
    splits: str | None = None
    points: int | None = None
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()
    skeleton: Sequence[Sequence[str]] | None = None
    objects: ObjectRule = "largest"
    separator: str | None = None
    columns: Sequence[str] = ()
    mask_classes: Sequence[str] = ()
    ignore: Sequence[int] | None = None
    values: Sequence[str] = ()
    grade: str | None = None
    words: Mapping[str, Any] | None = None

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        found = find_label_table(root)
        if found is None:
            return None
        reader = cls(root=str(root), file=found.file, images=found.images, points=found.points)
        return FormatMatch("table", str(found.file), reader)

    def read(self) -> Samples:
        if self.columns and self.separator is not None:
            raise CandelabraError("data.columns and data.separator both say where labels are; give one of them.")
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        described = merge_label_options(self.root, self.words)
        table, described = read_value_names(self._table(root, issues), described, self.values, self.grade, issues)
        names = self._points(table)
        pairs = self._point_columns(table, names)
        seen = {} if self.points else find_visibility_columns(table, names)
        told = described.find(KeypointsTarget) or KeypointsTarget()
        same = tuple(names) == told.names
        normalizer = self.normalizer or [told.names[point] for point in told.normalizer if same]
        joined = [(names[one], names[other]) for one, other in told.skeleton] if same else []
        skeleton = joined if self.skeleton is None else self.skeleton
        known = resolve_points(names, self.mirror, normalizer, told.mirrored if same else None, skeleton)
        boxed = all(side in table for side in BOX_COLUMNS)
        every = table
        if boxed:
            sides = table_cells.parse_numbers(table, BOX_COLUMNS, []).to_numpy(np.float32)
            own = [c for c in (LabelTarget.name, *BOX_COLUMNS, *pairs, *seen.values(), *self.columns) if c in table]
            table = choose_object_rows(table, sides, own, self.objects, issues)
        placed = [[*pairs[2 * k : 2 * k + 2], *([seen[name]] if name in seen else [])] for k, name in enumerate(names)]
        together = [*([BOX_COLUMNS] if boxed else []), *placed]
        table = table_cells.merge_repeated(table, together, issues)
        table = fit_table_to_files(table, root, boxed, pairs, issues)
        images = table["image"].tolist()
        columns: list[TargetColumn] = [
            *self._labels(table, described.find(LabelTarget) or LabelTarget(), issues),
            *([BoxColumn(self._boxes(table, root, images, issues))] if boxed else []),
            *([KeypointsColumn(known, self._coordinates(table, root, images, pairs, seen, issues))] if names else []),
            *self._masks(table, root, described, issues),
            *([] if self.columns or self.separator else read_object_rows(every, root, images, described, issues)),
            *_read_other_targets(table, root, described, issues),
        ]
        read = {"image", "split", *pairs, *seen.values(), *self.columns, *(BOX_COLUMNS if boxed else ())}
        self._note_unread(table, read | {*(described.find(ValueTarget) or ValueTarget()).names}, issues)
        return FileSamples(root, images, table_cells.read_split_column(table), columns, issues)

    def _masks(self, table: "DataFrame", root: Path, described: Labels, issues: list[DataIssue]) -> list[TargetColumn]:
        if MaskTarget.name not in table:
            return []
        paths = table[MaskTarget.name].fillna("").astype(str).tolist()
        given = [path for path in paths if path]
        told = described.find(MaskTarget) or MaskTarget()
        if not self.mask_classes and not told.classes and not given:
            return []
        if not self.mask_classes and told.classes:  # `candelabra convert` wrote indices
            named = number_mask_classes(told.classes, self.ignore or [IGNORED], root, given, issues)
        elif self.mask_classes:
            named = number_mask_classes(self.mask_classes, self.ignore, root, given, issues)
        else:
            named = self._find_mask_classes(root, given, issues)
        return [MaskFileColumn(MaskTarget(tuple(named.classes)), root, paths, named.meaning, [*named.ignored, IGNORED])]

    def _find_mask_classes(self, root: Path, paths: Sequence[str], issues: list[DataIssue]) -> MaskValues:
        try:
            return find_mask_values(self.ignore, root, paths, issues)
        except CandelabraError as error:
            raise CandelabraError(
                f"The column mask needs names of classes: data.mask_classes=[background,...]. {error}"
            ) from error

    def _table(self, root: Path, issues: list[DataIssue]) -> "DataFrame":
        """The rows of all files, with paths below root."""
        import pandas

        folders = table_cells.load_tables_by_split(self.images, "images")
        parts = []
        for split, file in table_cells.load_tables_by_split(self.file, "file").items():
            part = load_table(root / file, issues, self.columns)
            folder = folders.get(split, folders.get("", ""))
            part = find_listed_images(part, root, folder, file, issues)
            if self.splits:
                listed = load_table(root / self.splits, issues)
                listed = find_listed_images(listed, root, folder, self.splits, issues).drop_duplicates("image")
                if "split" not in listed:
                    raise CandelabraError(
                        f"data.splits={self.splits} has no column split; it has {', '.join(listed.columns)}."
                    )
                part = part.drop(columns="split", errors="ignore").merge(listed[["image", "split"]], on="image")
                if part.empty:
                    raise CandelabraError(f"data.splits={self.splits} names none of the images of data.file={file}.")
            for name in list_file_target_classes():
                if name in part:
                    part = find_listed_values(part, name, root, str(Path(file).parent), issues)
            parts.append(part.assign(split=split) if split else part)
        return pandas.concat(parts, ignore_index=True)

    def _points(self, table: "DataFrame") -> list[str]:
        if self.points:
            return [str(number) for number in range(self.points)]
        return list_points([str(column) for column in table.columns])

    def _point_columns(self, table: "DataFrame", names: Sequence[str]) -> list[str]:
        """The columns of x and y of each point."""
        if not self.points:
            return [f"{name}_{axis}" for name in names for axis in "xy"]
        others = ("image", "split", LabelTarget.name, MaskTarget.name, *BOX_COLUMNS)
        return [str(column) for column in table.columns if column not in others][-2 * self.points :]

    def _boxes(
        self, table: "DataFrame", root: Path, images: Sequence[str], issues: list[DataIssue]
    ) -> NDArray[np.float32]:
        sides = table_cells.parse_numbers(table, BOX_COLUMNS, issues).to_numpy(np.float32)
        sides = scale_shares(sides.reshape(-1, 2, 2), root, images, "box", issues).reshape(-1, 4)
        return repair_boxes(sides, images, issues)

    def _coordinates(
        self,
        table: "DataFrame",
        root: Path,
        images: Sequence[str],
        columns: Sequence[str],
        seen: Mapping[str, str],
        issues: list[DataIssue],
    ) -> NDArray[np.float32]:
        flat = table_cells.parse_numbers(table, columns, issues).to_numpy(np.float32).reshape(len(table), -1, 2)
        found = np.where(np.isfinite(flat).all(2, keepdims=True), flat, np.float32("nan"))
        visible = drop_invisible_points(table, found, self._points(table), seen, issues)
        return scale_shares(visible, root, images, "points", issues)

    def _labels(self, table: "DataFrame", given: LabelTarget, issues: list[DataIssue]) -> list[TargetColumn]:
        if self.columns:
            return [read_label_columns(table, self.columns, issues)]
        separator = self.separator or (LABEL_SEPARATOR if given.multilabel else None)
        found = read_label_words(table, separator, given.classes, issues)
        return [] if found is None else [found]

    def _note_unread(self, table: "DataFrame", read: Collection[str], issues: list[DataIssue]) -> None:
        known = {*read, *list_target_classes()} - ({LabelTarget.name} if self.columns else set())
        unread = [str(column) for column in table.columns if column not in known]
        if unread:
            what = "columns of the table that are not read"
            issues.append(DataIssue(str(self.file), what, IssueTreatment.USED, describe_unread(table, unread)))


def _read_other_targets(
    table: "DataFrame", root: Path, described: Labels, issues: list[DataIssue]
) -> list[TargetColumn]:
    typed = table_cells.convert_numbers(table)
    found = (kind.read_table(typed, root, described.find(kind), issues) for kind in list_target_classes().values())
    return [column for column in found if column is not None]
