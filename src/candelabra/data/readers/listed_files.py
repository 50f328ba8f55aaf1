"""The files that the cells of a table name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.decoding.images import find_files
from candelabra.data.decoding.paths import escape_path
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.readers.folder import list_entries
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame

_LONGEST = 255  # bytes of a file name
_QUOTED = 60  # letters of a cell that an error quotes


def find_listed_images(table: "DataFrame", root: Path, folder: str, file: str, issues: list[DataIssue]) -> "DataFrame":
    """The table with the paths of its images below root; what is not there keeps its name, as `verify` leaves it out.

    Args:
        table: rows with the column image.
        root: the folder of the data set.
        folder: that image paths are below, below root.
        file: the table, below root.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: none of the images is there.
    """
    finder = FileFinder(root, find_files(root / folder) if (root / folder).is_dir() else [])
    near = folder or str(Path(file).parent)
    names = {str(stated): _find(finder, str(stated), folder, near, "image", issues) for stated in table["image"]}
    if names and not any(names.values()):
        raise CandelabraError(_describe_missing(list(names), root, folder, file, table.attrs.get("image", "image")))
    paths = [names[stated] or os.path.join(folder, stated) for stated in table["image"]]  # noqa: PTH118
    return table.assign(image=paths)


def find_listed_values(table: "DataFrame", column: str, root: Path, near: str, issues: list[DataIssue]) -> "DataFrame":
    """The table with the paths of the files of a target, such as masks, below root; see `find_listed_images`.

    Args:
        table: with such a column.
        column: of the target.
        root: the folder of the data set.
        near: folder of the table, below root.
        issues: list to which issues are appended.
    """
    finder = FileFinder(root, find_files(root))
    given = table[column].fillna("").astype(str)
    names = {stated: _find(finder, stated, "", near, column, issues) for stated in given.unique() if stated}
    return table.assign(**{column: [names.get(stated) or stated for stated in given]})


def _find(finder: FileFinder, stated: str, folder: str, near: str, what: str, issues: list[DataIssue]) -> str | None:
    exact = finder.find_exact(os.path.join(folder, stated))  # noqa: PTH118
    if exact is not None:
        return exact
    found, several = finder.search(stated, near)
    if several:
        detail = ", ".join(several[:4])
        issues.append(DataIssue(stated, f"listed {what} may be several files", IssueTreatment.SKIPPED, detail))
    return found


def _describe_missing(names: list[str], root: Path, folder: str, file: str, column: str) -> str:
    first = names[0] if len(names[0]) <= _QUOTED else f"{names[0][:_QUOTED]}..."
    where = escape_path(root / folder)
    if len(names[0]) > _LONGEST:
        return (
            f"data.file={file}: its column {column} names no image files, but holds {first!r}; images that lie inside "
            "the table as pixels are not read: save each as a file, and name it in the column image."
        )
    held = list_entries(root / folder) if (root / folder).is_dir() else "nothing, for there is no such folder"
    return (
        f"data.file={file}: none of its {len(names)} images is below {where}: its column {column} names "
        f"{escape_path(first)}{', ...' if len(names) > 1 else ''} (No such file), and the folder holds {held}. Name "
        "the folder of the images with data.images=<folder>, or the column of their paths image."
    )
