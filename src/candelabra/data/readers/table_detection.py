"""Finds the tables of labels in a folder, for `data=auto`."""

from pathlib import Path
from typing import NamedTuple

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_images
from candelabra.data.decoding.table_files import read_table_file
from candelabra.data.readers import coco_json
from candelabra.data.readers.table_columns import find_image_column, name_columns
from candelabra.data.readers.table_places import fold_column
from candelabra.data.sampling.split_names import SPLIT_ALIASES
from candelabra.errors import CandelabraError

_NUMBERS = {"pixel_value", "class_id"}  # first columns of tables of classes


class TableOptions(NamedTuple):
    """Options of `Table` for the tables that were found."""

    file: str | dict[str, str]
    images: str | dict[str, str]
    points: int | None


def find_label_table(root: Path) -> TableOptions | None:
    """The one CSV or Parquet file below root whose first row names an image there, or one for each split.

    Columns that are numbers alone are taken as the x and y of points.
    """
    files = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in (".csv", ".tsv", ".parquet")]
    finder = FileFinder(root, find_images(root)) if files else None
    found: list[tuple[str, str, list[str]]] = []
    for path in files:
        stated, columns = _first_row(path)
        name = _of_table(finder, stated, path.relative_to(root)) if finder and stated else None
        if name and set(columns[1:]) - {"split"}:
            images = name[: -len(stated)].rstrip("/") if name.endswith(stated) else ""
            found.append((str(path.relative_to(root)), images, columns))
    if not found:
        return None
    numbers = [column for column in found[0][2] if column.isdigit()]
    points = len(numbers) // 2 if numbers and len(numbers) == len(found[0][2]) - 1 else None
    if len(found) == 1:
        return TableOptions(found[0][0], found[0][1], points)
    splits = [coco_json.split_in_name(file) for file, _, _ in found]
    if "" in splits or len(set(splits)) < len(splits):
        return None
    by_split = dict(zip(splits, found, strict=True))
    return TableOptions(
        {split: file for split, (file, _, _) in by_split.items()},
        {split: images for split, (_, images, _) in by_split.items()},
        points,
    )


def _of_table(finder: FileFinder, stated: str, file: Path) -> str | None:
    """The image that a table names; of several of that name, the one in a folder of the split of the table."""
    split = coco_json.split_in_name(str(file))
    folders = [file.parent, *sorted({file.parent / name for name in SPLIT_ALIASES if SPLIT_ALIASES[name] == split})]
    names = (finder.find(stated, str(folder)) for folder in folders)
    return next((name for name in names if name), None)


def _first_row(path: Path) -> tuple[str, list[str]]:
    """The image that the first row of a table names, "" for none, and the columns."""
    try:
        table = name_columns(read_table_file(path, [], 1))
    except CandelabraError:
        return "", []
    if not len(table) or len(table.columns) < 2 or fold_column(str(table.columns[0])) in _NUMBERS:
        return "", []
    column = "image" if "image" in table else find_image_column(table)
    others = [str(each) for each in table.columns if each != column]
    return str(table[column].iloc[0]), [column, *others]
