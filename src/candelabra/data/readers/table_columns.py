"""What the columns of a table are called, and which of them names the image."""

import logging
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.decoding.table_files import read_table_file
from candelabra.data.issues import DataIssue
from candelabra.data.targets import LabelTarget, MaskTarget, list_target_classes
from candelabra.data.targets.box import BOX_COLUMNS
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame

log = logging.getLogger(__name__)
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
_LABELS = ("class", "class_name", "classname", "category", "category_name", "labels")
_MASKS = ("mask_path", "mask_file", "mask_name")
_SIDES = (("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2"))
_AXES = re.compile(r"(?P<point>.+)[ _](?P<axis>[xy])", re.IGNORECASE)


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
    table = name_columns(table, kept)
    if "image" not in table:
        found = find_image_column(table)
        log.info("the column %r of %s names the images", found, path.name)
        table = table.rename(columns={found: "image"})
        table.attrs["image"] = found
    table = table.dropna(subset="image")
    return table.assign(image=table["image"].astype(str))


def name_columns(table: "DataFrame", kept: Collection[str] = ()) -> "DataFrame":
    """Columns by the names that `data=table` has, where letter case, blanks or a usual other name differ."""
    given = {_fold(str(column)): str(column) for column in reversed(table.columns) if column not in kept}
    names: dict[str, str] = {}

    def name(wanted: str, *others: str) -> None:
        found = next((given[word] for word in (wanted, *others) if word in given), None)
        if wanted not in table and found is not None:
            names[found] = wanted

    name("image")
    name("split")
    name(LabelTarget.name, *_LABELS)
    name(MaskTarget.name, *_MASKS)
    for target in list_target_classes():
        name(target)
    for sides in (BOX_COLUMNS, *_SIDES):
        if not set(BOX_COLUMNS) <= {*table.columns, *names.values()} and all(side in given for side in sides):
            names |= {given[side]: wanted for side, wanted in zip(sides, BOX_COLUMNS, strict=True)}
    for column in map(str, table.columns):
        axis = _AXES.fullmatch(column)
        if axis and column not in kept and column not in names:
            named = f"{axis['point']}_{axis['axis'].lower()}"
            names |= {column: named} if named not in table else {}
    return table.rename(columns={old: new for old, new in names.items() if old != new})


def find_image_column(table: "DataFrame") -> str:
    """The column that names the images of a table without a column of that name.

    It is the first column, unless that does not look like file names and another one does, or has a usual name.
    """
    columns = [str(column) for column in table.columns]
    by_word = {_fold(column): column for column in reversed(columns)}
    usual = [by_word[word] for word in _IMAGES if word in by_word]
    looking = [column for column in (columns[0], *usual) if _names_images(table, column)]
    numbered = columns[0].startswith(("column ", "Unnamed")) or _fold(columns[0]) in ("index", "id")
    return next(iter(looking), usual[0] if usual and numbered else columns[0])


def _names_images(table: "DataFrame", column: str) -> bool:
    cells = table[column].dropna().head(_TRIED).astype(str)
    endings = [os.path.splitext(cell)[1].lower() for cell in cells]  # noqa: PTH122 - they may be addresses
    return sum(ending in IMAGE_SUFFIXES for ending in endings) > len(endings) / 2


def _fold(word: str) -> str:
    return re.sub(r"[\s\-]+", "_", word.strip().casefold())
