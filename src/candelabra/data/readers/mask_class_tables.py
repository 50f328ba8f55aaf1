"""Tables that name the pixel values of masks, as Roboflow writes them beside the masks of each split."""

from collections.abc import Sequence
from pathlib import Path

from candelabra.data.decoding.table_files import read_table_file
from candelabra.data.readers.table_places import fold_column
from candelabra.errors import CandelabraError

_FILE = "_classes.csv"
_COLUMNS = ("pixel_value", "class")


def read_mask_class_tables(folders: Sequence[Path]) -> dict[str, int]:
    """The pixel value of each class, by `_classes.csv` in folders of masks; empty where there is none.

    Raises:
        CandelabraError: two of them differ, or a value is no number.
    """
    found: dict[str, int] = {}
    first: Path | None = None
    for path in sorted({folder / _FILE for folder in folders}):
        if not path.is_file():
            continue
        table = read_table_file(path, [])
        by_name = {fold_column(str(column)): str(column) for column in table.columns}
        if not all(column in by_name for column in _COLUMNS):
            continue
        numbers, names = (table[by_name[column]].fillna("").astype(str).tolist() for column in _COLUMNS)
        if not all(number.isdigit() for number in numbers):
            raise CandelabraError(f"{path} should have a whole number in each row of its column Pixel Value.")
        own = dict(zip(names, map(int, numbers), strict=True))
        if first and own != found:
            raise CandelabraError(f"{first} and {path} name other classes; give their values with data.values.")
        found, first = own, path
    return found
