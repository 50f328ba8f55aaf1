"""DeepLabCut's tables of body parts (Mathis et al. 2018): one CSV a video, three or four header rows."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.object_choice import ObjectRule
from candelabra.data.readers.deeplabcut_config import read_skeleton
from candelabra.data.readers.folder import check_is_folder
from candelabra.data.readers.object_annotations import AnnotatedImage, ObjectAnnotation, build_object_samples
from candelabra.data.readers.point_symmetry import resolve_points
from candelabra.data.readers.point_visibility import INVISIBLE_POINTS, LEAST_LIKELIHOOD
from candelabra.data.readers.reader import DetectionTier, FormatMatch, Reader, match_paths
from candelabra.data.samples import Samples
from candelabra.data.targets import KeypointsTarget
from candelabra.data.views.select_targets import select_targets
from candelabra.errors import CandelabraError

_HEADS = ("scorer", "individuals", "bodyparts", "coords")
_UNIQUE = "single"  # DeepLabCut's name for body parts that belong to no animal
_LARGEST = 2**30  # bytes of a table
TableCells = Mapping[str, Mapping[str, tuple[int, ...]]]  # individual -> body part -> columns of x, y and likelihood


class BodyPartTable(NamedTuple):
    """One table: where each number is, how many columns name the image, and the rows."""

    cells: TableCells
    leading: int
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class DeepLabCut(Reader):
    """`labeled-data/<video>/CollectedData_<scorer>.csv` and the frames that it names; an empty cell is not labelled.

    Body parts of a likelihood below 0.6 are not labelled either. Of several individuals one gives the points, see
    `objects`; its size is that of its points.

    Args:
        root: the project's folder.
        file: one table, below root; null for all `CollectedData*.csv`.
        objects: which of several individuals gives the labels: largest, first, or single (several: unlabelled).
        mirror: pairs of body parts that swap in a mirror image; null goes by left and right in their names.
        normalizer: two body parts whose distance makes the error relative; empty for none.
        skeleton: pairs of body parts that pictures join with a line; null goes by the project's config.yaml.
    """

    tier = DetectionTier.DATASETS

    root: str
    file: str | None = None
    objects: ObjectRule = "largest"
    mirror: Sequence[Sequence[str]] | None = None
    normalizer: Sequence[str] = ()
    skeleton: Sequence[Sequence[str]] | None = None

    @classmethod
    def looks_like(cls, root: Path) -> FormatMatch | None:
        return match_paths("deeplabcut", find_tables(root), root, cls(root=str(root)))

    def read(self) -> Samples:
        root = check_is_folder(self.root)
        issues: list[DataIssue] = []
        paths = [root / self.file] if self.file else find_tables(root)
        if not paths:
            raise CandelabraError(
                f"data.root={self.root} holds no CollectedData*.csv; name the table with data.file=<file below root>."
            )
        sheets = _leave_out_unique(root, {path: _sheet(path, issues) for path in paths}, issues)
        parts = list(dict.fromkeys(part for s in sheets.values() for own in s.cells.values() for part in own))
        finder = FileFinder(root, find_images(root))
        pictures: dict[str, AnnotatedImage] = {}
        for path, sheet in sheets.items():
            for row in sheet.rows:
                _add(row, sheet, parts, finder, str(path.parent.relative_to(root)), pictures, issues)
        skeleton = read_skeleton(root, parts, issues) if self.skeleton is None else self.skeleton
        used = resolve_points(parts, self.mirror, self.normalizer, skeleton=skeleton)
        samples = build_object_samples(root, list(pictures.values()), self.objects, ["animal"], None, used, issues)
        return select_targets(samples, [KeypointsTarget.name])  # boxes are only around points


def find_tables(root: Path) -> list[Path]:
    """The tables of labels below a project's folder."""
    return sorted(root.rglob("CollectedData*.csv"))


def _sheet(path: Path, issues: list[DataIssue]) -> BodyPartTable:
    """Reads a table.

    Raises:
        CandelabraError: it is missing, or its header rows are not DeepLabCut's.
    """
    text = read_annotation_text(path, path.name, issues, _LARGEST)
    try:
        rows = [row for row in csv.reader((text or "").splitlines()) if any(row)]
    except csv.Error as error:
        raise CandelabraError(f"data.file={path} cannot be read as CSV ({error}).") from error
    heads = {row[0]: row for row in rows[: len(_HEADS)] if row[0] in _HEADS}
    if not {"bodyparts", "coords"} <= set(heads):
        raise CandelabraError(
            f"data.file={path} has no header rows scorer, bodyparts and coords; read other tables with data=table."
        )
    axes = heads["coords"]
    heads = {name: [*row, *[""] * (len(axes) - len(row))] for name, row in heads.items()}  # cut off, where damaged
    index = next((place for place in range(1, len(axes)) if axes[place]), len(axes))
    cells: dict[str, dict[str, tuple[int, ...]]] = {}
    for column in range(index, len(axes) - 1):
        if axes[column].strip() == "x" and axes[column + 1].strip() == "y":
            individual = heads["individuals"][column] if "individuals" in heads else ""
            sure = column + 2 < len(axes) and axes[column + 2].strip() == "likelihood"
            cells.setdefault(individual, {})[heads["bodyparts"][column]] = tuple(range(column, column + 2 + sure))
    return BodyPartTable(cells, index, rows[len(heads) :])


def _leave_out_unique(
    root: Path, sheets: Mapping[Path, BodyPartTable], issues: list[DataIssue]
) -> dict[Path, BodyPartTable]:
    """The tables without the individual `single`, which holds points of the scene, where there are animals too."""
    if not any(set(sheet.cells) - {_UNIQUE} for sheet in sheets.values()):
        return dict(sheets)
    kept = {}
    for path, sheet in sheets.items():
        parts = sheet.cells.get(_UNIQUE)
        if parts is not None:
            what = "points of the individual single are not read"
            issues.append(DataIssue(str(path.relative_to(root)), what, IssueTreatment.USED, ", ".join(parts)))
        cells = {name: own for name, own in sheet.cells.items() if name != _UNIQUE}
        kept[path] = sheet._replace(cells=cells)
    return kept


def _add(
    row: Sequence[str],
    sheet: BodyPartTable,
    parts: Sequence[str],
    finder: FileFinder,
    near: str,
    pictures: dict[str, AnnotatedImage],
    issues: list[DataIssue],
) -> None:
    """Adds a frame and its individuals."""
    stated = "/".join(cell for cell in row[: sheet.leading] if cell)
    name = finder.find_listed(stated, issues, near)
    if name is None:
        return
    if name in pictures:
        issues.append(DataIssue(name, "image is listed twice", IssueTreatment.UNLABELLED))
        pictures[name].things = None
        return
    pictures[name] = AnnotatedImage(name, things=[])
    for own in sheet.cells.values():
        found = np.full((len(parts), 2), np.nan, np.float32)
        for part, columns in own.items():
            found[parts.index(part)] = _pair(row, columns, name, issues)
        placed = found[~np.isnan(found).any(1)]
        if len(placed):
            left, top, right, bottom = (float(side) for side in (*placed.min(0), *placed.max(0) + 1))
            pictures[name].things.append(ObjectAnnotation("animal", (left, top, right, bottom), found))  # type: ignore[union-attr]


def _pair(row: Sequence[str], columns: Sequence[int], name: str, issues: list[DataIssue]) -> tuple[float, float]:
    """Coordinates of one body part; NaN where a cell is empty or no number, or where it is hardly there."""
    words = [row[column].strip() if column < len(row) else "" for column in columns]
    try:
        x, y, *sure = (float(word) if word else np.nan for word in words)
    except ValueError:
        issues.append(DataIssue(name, "cell is no number", IssueTreatment.UNLABELLED, ", ".join(words)))
        return np.nan, np.nan
    if not np.isfinite([x, y]).all():
        return np.nan, np.nan
    if any(each < LEAST_LIKELIHOOD for each in sure):
        detail = f"likelihood {sure[0]:g}, below {LEAST_LIKELIHOOD:g}"
        issues.append(DataIssue(name, INVISIBLE_POINTS, IssueTreatment.UNLABELLED, detail))
        return np.nan, np.nan
    return x, y
