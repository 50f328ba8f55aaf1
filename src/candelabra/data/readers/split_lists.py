"""Published splits as text files: `train.txt`, `val.txt` and `test.txt`, a line an image."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from candelabra.data.issues import Oddity, Treatment
from candelabra.data.readers.folder import ALIASES
from candelabra.data.readers.repairs import read_text

LARGEST = 2**30  # bytes of a list
FOLDERS = ("ImageSets/Main", "ImageSets/Segmentation", "ImageSets", "splits", ".")


def find_lists(bases: Iterable[Path], oddities: list[Oddity]) -> Mapping[str, list[str]]:
    """The lines of each split's list, from the first folder that has lists; `trainval` is training where it is alone.

    Args:
        bases: folders; lists may be there or in `ImageSets/Main` and the like below.
        oddities: grows by what is odd in the lists.
    """
    for base in bases:
        for folder in (base / name for name in FOLDERS):
            files = sorted(folder.glob("*.txt")) if folder.is_dir() else []
            found = {ALIASES[path.stem.lower()]: path for path in files if path.stem.lower() in ALIASES}
            both = folder / "trainval.txt"
            if "train" not in found and both.is_file():
                found["train"] = both
            if found:
                return {split: _lines(path, oddities) for split, path in found.items()}
    return {}


def split_of(lists: Mapping[str, Iterable[str]], oddities: list[Oddity]) -> dict[str, str]:
    """The split of each line; one in two lists is test before val before train, and is listed."""
    splits: dict[str, str] = {}
    for split in ("test", "val", "train"):
        for line in lists.get(split, ()):
            if splits.setdefault(line, split) != split:
                what = f"in the lists of {splits[line]} and {split}"
                oddities.append(Oddity(line, what, Treatment.REPAIRED, f"it is {splits[line]} alone"))
    return splits


def _lines(path: Path, oddities: list[Oddity]) -> list[str]:
    text = read_text(path, path.name, oddities, LARGEST) or ""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
