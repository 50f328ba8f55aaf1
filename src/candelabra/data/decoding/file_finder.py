"""Files that labels name, found below a root whatever folders they were in when the names were written."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from candelabra.data.decoding.paths import is_inside


class FileFinder:
    """Finds files by the end of their path: lists often hold paths of the machine that they were written on.

    Args:
        root: the folder that found paths are relative to; nothing outside is ever found.
        files: those that can be found, below root.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        self.folders: set[str] = set()
        for file in files:
            parts = file.relative_to(root).parts
            self.by_name[parts[-1].casefold()].append(parts)
            self.folders.update(parts[-2:-1])

    def find(self, stated: str, near: str = "") -> str | None:
        """The path below root whose end agrees longest with `stated`; null where none does, or several do.

        Args:
            stated: a path as the labels have it, with slashes of either kind.
            near: a folder below root; of several that agree alike, the one below it is meant.
        """
        wanted = PurePosixPath(stated.strip().replace("\\", "/")).parts
        found = self.by_name.get(wanted[-1].casefold(), []) if wanted else []
        if not found:
            return None
        agree = [_agreement(parts, wanted) for parts in found]
        if max(agree) <= 1 and wanted[-2:-1] and wanted[-2] in self.folders:
            return None  # its folder is there, and it is not in it
        best = [parts for parts, length in zip(found, agree, strict=True) if length == max(agree)]
        if len(best) > 1:
            folder = Path(near).parts
            best = [parts for parts in best if parts[: len(folder)] == folder]
        return str(Path(*best[0])) if len(best) == 1 else None


def find_label_files(folder: Path, ending: str, root: Path) -> list[Path]:
    """The files of one ending below a folder, sorted; hidden ones and links that lead out of the root are left out."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == ending
        and not path.name.startswith(".")
        and path.is_file()
        and (not path.is_symlink() or is_inside(path, root))
    ]


def _agreement(parts: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    """How many parts agree, from the end; an equal file name goes before one that differs in case."""
    if parts[-1] != wanted[-1]:
        return 0
    length = 0
    for here, there in zip(reversed(parts), reversed(wanted), strict=False):
        if here != there:
            break
        length += 1
    return length
