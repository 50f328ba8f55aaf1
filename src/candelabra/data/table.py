"""A table, one row an image: CSV or Parquet, with any of label, box, named keypoints and mask, any cell empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from candelabra.data.datamodule import DataModule
from candelabra.data.described import given_words
from candelabra.data.folder import ALIASES, must_be_folder
from candelabra.data.records import Records
from candelabra.data.samples import Samples
from candelabra.errors import CandelabraError, nearest
from candelabra.types import IGNORED, Labels

if TYPE_CHECKING:
    from pandas import DataFrame

BOX = ("xmin", "ymin", "xmax", "ymax")
SEPARATOR = "|"  # of several labels, where labels.json says that there are


@dataclass(kw_only=True, eq=False)
class Table(DataModule):
    """Columns image, split, label, xmin ymin xmax ymax, <point>_x <point>_y and mask; all but image optional.

    What labels.json beside it says (see `candelabra.data.described`) holds where an argument is not given.

    Args:
        root: the folder that paths are below.
        file: the table, below root; its first column is the image where none is called so.
        images: the folder that image paths are below, below root.
        splits: another table, below root, with the columns image and split; images it lacks are left out.
        points: number of unnamed points, where the table ends in x, y, x, y, ... columns.
        mirror: pairs of points that swap in a mirror image.
        normalizer: two points whose distance makes the keypoint error relative; empty for none.
        separator: what stands between several labels of one image; null for one label an image.
        mask_classes: names of the classes of a mask, by pixel value.
        ignore: pixel values of a mask that neither teach nor count.
    """

    root: str
    file: str = "table.csv"
    images: str = ""
    splits: str | None = None
    points: int | None = None
    mirror: Sequence[Sequence[str]] = ()
    normalizer: Sequence[str] = ()
    separator: str | None = None
    mask_classes: Sequence[str] = ()
    ignore: Sequence[int] = (255,)

    def read(self) -> Samples:
        root = must_be_folder(self.root)
        told = given_words(self.root, None)
        table = _load(root / self.file)
        if self.splits:
            listed = _load(root / self.splits).drop_duplicates("image")
            table = table.drop(columns="split", errors="ignore").merge(listed[["image", "split"]], on="image")
        names = self._points(table)
        separator = self.separator or (SEPARATOR if told.multilabel else None)
        classes, label = _labels(table, separator, told.classes)
        mask_classes = tuple(self.mask_classes) or told.mask_classes
        mask = "mask" in table and bool(mask_classes)
        meaning = np.full(256, IGNORED, np.uint8)
        meaning[: len(mask_classes)] = range(len(mask_classes))
        meaning[[value for value in self.ignore if value < 256]] = IGNORED
        boxed = all(side in table for side in BOX)
        return Records(
            root,
            [str(Path(self.images, name)) for name in table["image"]],
            Labels(
                classes=classes,
                multilabel=separator is not None,
                box=boxed,
                keypoints=tuple(names),
                mirror=self._mirror(names) if self.mirror or tuple(names) != told.keypoints else told.mirror,
                normalizer=tuple(_index(names, point, "normalizer") for point in self.normalizer) or told.normalizer,
                mask_classes=mask_classes if mask else (),
            ),
            _published(table),
            label,
            table[list(BOX)].to_numpy(np.float32) if boxed else None,
            self._coordinates(table, names),
            table["mask"].fillna("").astype(str).tolist() if mask else None,
            meaning,
        )

    def _points(self, table: "DataFrame") -> list[str]:
        if self.points:
            return [str(number) for number in range(self.points)]
        return [c[:-2] for c in table.columns if c.endswith("_x") and f"{c[:-2]}_y" in table.columns]

    def _coordinates(self, table: "DataFrame", names: Sequence[str]) -> NDArray[np.float32] | None:
        if not names:
            return None
        columns = [f"{name}_{axis}" for name in names for axis in "xy"]
        if self.points:
            columns = [c for c in table.columns if c not in ("split", "label", "mask", *BOX)][-2 * self.points :]
        flat = table[columns].to_numpy(np.float32).reshape(len(table), -1, 2)
        return np.where(np.isnan(flat).any(2, keepdims=True), np.float32("nan"), flat)

    def _mirror(self, names: Sequence[str]) -> tuple[int, ...]:
        swapped = list(range(len(names)))
        for left, right in self.mirror:
            i, j = _index(names, left, "mirror"), _index(names, right, "mirror")
            swapped[i], swapped[j] = j, i
        return tuple(swapped)


def _labels(
    table: "DataFrame", separator: str | None, told: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64] | NDArray[np.float32] | None]:
    """Classes, as told or else sorted, and the label of each row."""
    if "label" not in table:
        return (), None
    cells = table["label"]
    if separator is None:
        known = told or tuple(sorted(cells.dropna().astype(str).unique()))
        numbers = {name: number for number, name in enumerate(known)}
        return known, cells.astype(object).map(lambda c: _class(c, numbers), na_action="ignore").fillna(-1).to_numpy(
            np.int64
        )
    lists = [None if cell != cell else [name.strip() for name in str(cell).split(separator)] for cell in cells]
    known = told or tuple(sorted({name for names in lists if names for name in names} - {""}))
    label = np.full((len(table), len(known)), np.nan, np.float32)
    for row, names in enumerate(lists):
        if names is not None:
            label[row] = [name in names for name in known]
    return known, label


def _class(cell: object, numbers: dict[str, int]) -> int:
    if str(cell) not in numbers:
        raise CandelabraError(f"The table has the label {str(cell)!r}; labels.json has {nearest(str(cell), numbers)}.")
    return numbers[str(cell)]


def _word(cell: str) -> str | float:
    return cell or float("nan")


def _load(path: Path) -> "DataFrame":
    import pandas

    if not path.is_file():
        raise CandelabraError(f"The table {path} is missing; name it with data.file=<file below data.root>.")
    words = {"label": _word}  # as it stands there: neither 01 nor NA is a number
    table = pandas.read_parquet(path) if path.suffix == ".parquet" else pandas.read_csv(path, converters=words)
    if not len(table):
        raise CandelabraError(f"The table {path} has no rows.")
    if "image" not in table:
        table = table.rename(columns={table.columns[0]: "image"})
    return table.dropna(subset="image")


def _published(table: "DataFrame") -> NDArray[np.str_]:
    if "split" not in table:
        return np.full(len(table), "", dtype="<U5")
    words = table["split"].fillna("").astype(str).str.lower()
    unknown = sorted(set(words) - set(ALIASES) - {""})
    if unknown:
        raise CandelabraError(f"The split {unknown[0]!r} is not known; allowed are train, val, test, or an empty cell.")
    return words.map(lambda word: ALIASES.get(word, "")).to_numpy(dtype="<U5")


def _index(names: Sequence[str], point: str, argument: str) -> int:
    if str(point) not in names:
        raise CandelabraError(f"data.{argument} names the point {point}; the table has {nearest(str(point), names)}.")
    return list(names).index(str(point))
