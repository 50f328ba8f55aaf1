"""Files that labels name, found below a root whatever machine, tool or spelling the names come from."""

import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.decoding.paths import is_inside
from candelabra.data.decoding.stated_paths import fold_name, parse_stated_path
from candelabra.data.issues import DataIssue, IssueTreatment

PathParts = tuple[str, ...]
_SAME_KIND = {
    ".jpeg": ".jpg",
    ".jpe": ".jpg",
    ".jfif": ".jpg",
    ".jif": ".jpg",
    ".tiff": ".tif",
}  # endings of one kind of image
_LISTED = 4  # files of one name that an issue lists


class FoundFile(NamedTuple):
    """What was found for a stated name.

    Args:
        name: the path below the root; null where no file, or more than one, can be meant.
        several: the files that can be meant alike, where there is more than one.
    """

    name: str | None
    several: tuple[str, ...] = ()


class _FileIndex(NamedTuple):
    """The files below a root.

    Args:
        by_name: by folded name.
        by_stem: images by folded name without ending.
        folders: folded names of folders with files.
        image_folders: folders that hold images, themselves or below them.
    """

    by_name: dict[str, list[PathParts]]
    by_stem: dict[str, list[PathParts]]
    folders: set[str]
    image_folders: set[PathParts]


class _Listing(NamedTuple):
    """The files in a folder, those among them that are links, and whether the folder lies below the root."""

    files: frozenset[str]
    links: frozenset[str]
    inside: bool


class FileFinder:
    """Finds files by the end of their path: lists often hold paths of the machine that they were written on.

    A path that is there is found as it is stated. Otherwise the file is meant whose path agrees longest with the
    stated one, from the end; letter case, percent signs, composed and decomposed letters and a missing ending of an
    image make no difference. Where several agree alike, none is found, unless one of them is near.

    Args:
        root: the folder that found paths are relative to; nothing outside is ever found.
        files: those that can be found, below root; looked through when a path is not there as stated.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self.root, self.files = root, files
        self._base = os.path.normpath(root)
        self._listings: dict[str, _Listing] = {}

    def find(self, stated: str, near: str = "") -> str | None:
        """The path below root of the file that is meant; null where there is none, or several can be meant.

        Args:
            stated: a path or address as the labels have it, with slashes of either kind.
            near: a folder below root; of several that agree alike, the one below it is meant.
        """
        return self.search(stated, near).name

    def find_listed(self, stated: str, issues: list[DataIssue], near: str = "", what: str = "image") -> str | None:
        """As `find`; appends to issues why there is none.

        Args:
            stated: see `find`.
            issues: list to which an issue is appended.
            near: see `find`.
            what: the file is, for the issue.
        """
        name, several = self.search(stated, near)
        if several:
            detail = f"{', '.join(several[:_LISTED])}{', ...' if len(several) > _LISTED else ''}"
            issues.append(DataIssue(stated, f"listed {what} may be several files", IssueTreatment.SKIPPED, detail))
        elif name is None:
            issues.append(DataIssue(stated, f"listed {what} is not there", IssueTreatment.SKIPPED))
        return name

    def search(self, stated: str, near: str = "") -> FoundFile:
        """As `find`, with the files that can be meant alike."""
        for path in dict.fromkeys((os.path.join(near, stated), stated)):  # noqa: PTH118 - it may be absolute
            literal = self.find_exact(path)
            if literal:
                return FoundFile(literal)
        wanted = parse_stated_path(stated)
        best, length = self._agree(wanted) if wanted else ([], 0)
        if not best or (length <= 1 and self._is_elsewhere(stated, wanted, near)):
            return FoundFile(None)
        folder = Path(near).parts
        close = [parts for parts in best if parts[: len(folder)] == folder]
        if not close and len(wanted) == 1 and folder in self._index.image_folders:
            return FoundFile(None)  # a bare name means a file beside the list; that of another split is another image
        best = close or best
        names = tuple(str(Path(*parts)) for parts in best)
        return FoundFile(names[0]) if len(names) == 1 else FoundFile(None, names)

    def find_exact(self, stated: str) -> str | None:
        """The path below root of a file that is there exactly as stated; null where it is not."""
        if not stated.strip() or "\0" in stated:
            return None
        path = os.path.normpath(os.path.join(self._base, stated))  # noqa: PTH118 - Path takes three times as long
        inside = "" if self._base == os.curdir else self._base.rstrip(os.sep) + os.sep
        if not path.startswith(inside) or (not inside and (os.path.isabs(path) or path.startswith(os.pardir))):  # noqa: PTH117
            return None
        folder, name = os.path.split(path)
        listing = self._list(folder)
        if name not in listing.files:
            return None
        if (name in listing.links or not listing.inside) and not is_inside(Path(path), self.root):
            return None
        return path[len(inside) :]

    def _list(self, folder: str) -> _Listing:
        """What lies in a folder; each folder is read once."""
        if folder not in self._listings:
            try:
                with os.scandir(folder or os.curdir) as entries:
                    files = {entry.name: entry.is_symlink() for entry in entries if entry.is_file()}
            except OSError:  # there is none, or its name is too long
                files = {}
            links = frozenset(name for name, is_link in files.items() if is_link)
            inside = bool(files) and is_inside(Path(folder), self.root)
            self._listings[folder] = _Listing(frozenset(files), links, inside)
        return self._listings[folder]

    @cached_property
    def _index(self) -> _FileIndex:
        by_name: dict[str, list[PathParts]] = defaultdict(list)
        by_stem: dict[str, list[PathParts]] = defaultdict(list)
        folders: set[str] = set()
        image_folders: set[PathParts] = set()
        for file in self.files:
            parts = file.relative_to(self.root).parts
            by_name[fold_name(parts[-1])].append(parts)
            stem, ending = os.path.splitext(parts[-1])  # noqa: PTH122 - `Path.stem` is another one
            if ending.lower() in IMAGE_SUFFIXES:
                by_stem[fold_name(stem)].append(parts)
                image_folders.add(parts[:-1])
            folders.update(map(fold_name, parts[-2:-1]))
        above = {folder[:depth] for folder in image_folders for depth in range(1, len(folder) + 1)}
        return _FileIndex(by_name, by_stem, folders, above)

    def _agree(self, wanted: PathParts) -> tuple[list[PathParts], int]:
        """The files that agree longest with a path, and in how many parts."""
        by_name, by_stem = self._index.by_name, self._index.by_stem
        found = by_name.get(fold_name(wanted[-1]), [])
        if not found:
            stem, ending = os.path.splitext(wanted[-1])  # noqa: PTH122
            kind = _kind(ending)
            found = by_stem.get(fold_name(wanted[-1]), []) or [
                parts for parts in by_stem.get(fold_name(stem), []) if kind and _kind(Path(parts[-1]).suffix) == kind
            ]
        scores = [_agreement(parts, wanted) for parts in found]
        best = max(scores, default=(0, False, 0))
        return [parts for parts, score in zip(found, scores, strict=True) if score == best], best[0]

    def _is_elsewhere(self, stated: str, wanted: PathParts, near: str) -> bool:
        """Whether the folder of a path is there without the file, or the path leads to a file outside of the root."""
        if len(wanted) > 1 and fold_name(wanted[-2]) in self._index.folders:
            return True
        base = os.path.normpath(self.root)
        places = {Path(os.path.normpath(self.root / folder / stated)) for folder in (near, "")}
        try:
            return any(not place.is_relative_to(base) and place.is_file() for place in places)
        except (OSError, ValueError):  # too long a name, or a null in it
            return False


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


def _kind(ending: str) -> str:
    """Endings of one kind of image as one; empty for what is no image."""
    small = ending.lower()
    return _SAME_KIND.get(small, small) if small in IMAGE_SUFFIXES else ""


def _agreement(parts: PathParts, wanted: PathParts) -> tuple[int, bool, int]:
    """How many parts agree from the end, the name among them; whether names are equal, and how many parts are."""
    folded, exact = 1, int(parts[-1] == wanted[-1])
    for here, there in zip(reversed(parts[:-1]), reversed(wanted[:-1]), strict=False):
        if fold_name(here) != fold_name(there):
            break
        folded += 1
        exact += here == there
    return folded, parts[-1] == wanted[-1], exact
