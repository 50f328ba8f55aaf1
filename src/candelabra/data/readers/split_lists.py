"""Reads published splits from text files `train.txt`, `val.txt` and `test.txt` with one image per line."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from candelabra.data.decoding.text_files import read_annotation_text
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.sampling.split_names import SPLIT_ALIASES

_LARGEST = 2**30  # bytes of a list
LIST_FOLDERS = ("ImageSets/Main", "ImageSets/Segmentation", "ImageSets", "splits", ".")


def find_split_lists(
    bases: Iterable[Path], issues: list[DataIssue], folders: Sequence[str] = LIST_FOLDERS
) -> Mapping[str, list[str]]:
    """The lines of the list of each split, from the first folder with lists; without `train`, `trainval` counts as it.

    Args:
        bases: folders; lists may be there or in `ImageSets/Main` and the like below.
        issues: list to which issues are appended.
        folders: below each base, in the order in which they are looked into.
    """
    for base in bases:
        for folder in (base / name for name in folders):
            files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
            found = {SPLIT_ALIASES[path.stem.lower()]: path for path in files if path.stem.lower() in SPLIT_ALIASES}
            both = folder / "trainval.txt"
            if "train" not in found and both.is_file():
                found["train"] = both
            if found:
                return {split: _lines(path, issues) for split, path in found.items()}
    return {}


def split_from_list_name(lists: Mapping[str, Iterable[str]], issues: list[DataIssue]) -> dict[str, str]:
    """The split of each line; a line in several lists belongs to test before val before train, and is an issue."""
    splits: dict[str, str] = {}
    for split in ("test", "val", "train"):
        for line in lists.get(split, ()):
            if splits.setdefault(line, split) != split:
                what = f"in the lists of {splits[line]} and {split}"
                issues.append(DataIssue(line, what, IssueTreatment.REPAIRED, f"it is {splits[line]} alone"))
    return splits


def _lines(path: Path, issues: list[DataIssue]) -> list[str]:
    text = read_annotation_text(path, path.name, issues, _LARGEST) or ""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
