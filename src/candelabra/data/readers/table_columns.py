"""What the columns of a table are called, and which of them names the image."""

import logging
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.decoding.table_files import has_header, read_table_file
from candelabra.data.issues import DataIssue
from candelabra.data.readers.table_headless import name_headless
from candelabra.data.readers.table_places import add_corners, fold_column, list_points, name_corners, name_point_columns
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.data.targets import LabelTarget, MaskTarget, list_target_classes
from candelabra.errors import CandelabraError, list_nearest

if TYPE_CHECKING:
    from pandas import DataFrame

log = logging.getLogger(__name__)
SPLIT = "split"
_LISTED = 10  # columns
_FEWEST_POINTS = 3
_TRIED = 50  # cells that tell whether a column names images
_IMAGES: tuple[str, ...] = (
    "filename",
    "file_name",
    "file",
    "path",
    "filepath",
    "file_path",
    "image_path",
    "image_file",
    "image_name",
)
_IMAGES += ("imagename", "image_filename", "img", "image_id", "imageid", "name", "id")
_LABELS: tuple[str, ...] = ("class", "class_name", "classname", "category", "category_name", "labels")
_LABELS += ("label_name", "labelname", "class_label")
_MASKS = ("mask_path", "mask_file", "mask_name")
_SPLITS = ("subset", "set", "partition", "phase")


def load_table(path: Path, issues: list[DataIssue], kept: Collection[str] = ()) -> "DataFrame":
    """A table whose columns are called as `data=table` calls them, and whose rows name an image.

    Args:
        path: of the file.
        issues: list to which issues are appended.
        kept: columns that keep their names.

    Raises:
        CandelabraError: it is missing, has no rows, or cannot be read.
    """
    if not path.is_file():
        raise CandelabraError(f"The table {path} is missing; name it with data.file=<file below data.root>.")
    table = read_table_file(path, issues)
    if not len(table):
        raise CandelabraError(f"The table {path} has no rows.")
    table = name_columns(table if has_header(table) else name_headless(table, path, issues), kept)
    if "image" not in table:
        found = find_image_column(table)
        log.info("the column %r of %s names the images", found, path.name)
        table = table.rename(columns={found: "image"})
        table.attrs["image"] = found
    table = table.dropna(subset="image")
    return add_corners(table.assign(image=table["image"].astype(str)), issues)


def name_columns(table: "DataFrame", kept: Collection[str] = ()) -> "DataFrame":
    """Columns by the names that `data=table` has, where letter case, blanks or a usual other name differ."""
    given = {fold_column(str(column)): str(column) for column in reversed(table.columns) if column not in kept}
    names: dict[str, str] = {}

    def name(wanted: str, *others: str) -> None:
        found = next((given[word] for word in (wanted, *others) if word in given), None)
        if wanted not in table and found is not None:
            names[found] = wanted

    name("image")
    name(SPLIT)
    name(LabelTarget.name, *_LABELS)
    name(MaskTarget.name, *_MASKS)
    for target in list_target_classes():
        name(target)
    for word in _SPLITS:
        if word in given and SPLIT not in (*table.columns, *names.values()):
            words = table[given[word]].dropna().astype(str).str.strip().str.lower()
            names |= {given[word]: SPLIT} if len(words) and words.isin([*SPLIT_ALIASES]).all() else {}
    free = [str(column) for column in table.columns if column not in kept and column not in names]
    names |= name_corners(free)
    names |= name_point_columns([column for column in free if column not in names])
    return table.rename(columns={old: new for old, new in names.items() if old != new})


def find_image_column(table: "DataFrame") -> str:
    """The column that names the images of a table without a column of that name.

    It is the first column, unless that does not look like file names and another one does, or has a usual name.
    """
    columns = [str(column) for column in table.columns]
    by_word = {fold_column(column): column for column in reversed(columns)}
    usual = [by_word[word] for word in _IMAGES if word in by_word]
    looking = [column for column in (columns[0], *usual) if _names_images(table, column)]
    numbered = columns[0].startswith(("column ", "Unnamed")) or fold_column(columns[0]) in ("index", "id")
    return next(iter(looking), usual[0] if usual and numbered else columns[0])


def _names_images(table: "DataFrame", column: str) -> bool:
    cells = table[column].dropna().head(_TRIED).astype(str)
    endings = [os.path.splitext(cell)[1].lower() for cell in cells]  # noqa: PTH122 - they may be addresses
    return sum(ending in IMAGE_SUFFIXES for ending in endings) > len(endings) / 2


def describe_unread(table: "DataFrame", unread: Sequence[str]) -> str:
    """Columns of a table that nothing is read from, and what reads them where they may be points without names."""
    import pandas

    columns, numbers = [str(column) for column in table.columns], 0
    for column in reversed(columns):
        if column not in unread or pandas.to_numeric(table[column], errors="coerce").isna().all():
            break
        numbers += 1
    points = numbers // 2
    hint = f"; if the last {numbers} are x, y, x, y, ... of points, data.points={points} reads them"
    likely = points >= _FEWEST_POINTS and numbers % 2 == 0 and not list_points(columns)
    return list_nearest("", unread, _LISTED) + hint * likely
