"""The contract of a reader: it turns one annotation format, or one published data set, into samples."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path
from typing import ClassVar, NamedTuple

from candelabra.data.samples import Samples


class DetectionTier(IntEnum):
    """How specific the evidence of a format is; `data=auto` tries the highest tier first and stops at a match.

    A folder of a published set often fits a general format too: its images in one folder per class, say.
    """

    FOLDERS = 0  # the folder structure alone
    TABLES = 1  # tables that name images
    ANNOTATIONS = 2  # annotation files of a general format
    DATASETS = 3  # the published layout of one data set, or files that no other format has


class Reader(ABC):
    """Reads one format into samples; it knows nothing of splits, loaders or batches.

    A final class is a frozen dataclass whose fields are the options of the format; those without a default are
    required. `DataModule` composes a reader with the options of loading:

    >>> from candelabra.data import DataModule, Shapes
    >>> DataModule(Shapes(count=100), size=64).labels.targets
    ('label', 'box', 'keypoints', 'mask')

    Attributes:
        symmetric: a mirror image means the same; false for digits. Where `data=auto` chose the reader, training images
            of such data are not mirrored; elsewhere `data.flip` decides.
        tier: when `data=auto` tries `looks_like`.
    """

    symmetric: ClassVar[bool] = True
    tier: ClassVar[DetectionTier] = DetectionTier.ANNOTATIONS

    @classmethod
    def looks_like(cls, root: Path) -> "FormatMatch | None":
        """Whether a folder looks like this format; looks at names and first lines, not at whole files.

        Args:
            root: an existing folder.

        Returns:
            The evidence and a reader of this folder; None where it is another format, or none can be detected.
        """
        return None

    @abstractmethod
    def read(self) -> Samples:
        """Reads lists and labels, no image yet.

        Raises:
            CandelabraError: the folder is missing or does not hold what is expected; the message says what to do.
        """

    @property
    def folder(self) -> str | None:
        """The option `root` of a reader that has one, the folder or address of the data; None for others."""
        return vars(self).get("root")

    def allows_flip(self) -> bool:
        """Whether training images may be mirrored at all, whatever `data.flip` says."""
        return True


class FormatMatch(NamedTuple):
    """A format that a folder may have.

    Args:
        name: of the format, as in data=<name>.
        evidence: what it was recognized by, such as the path of a file.
        reader: of that folder.
    """

    name: str
    evidence: str
    reader: Reader


def match_paths(name: str, paths: Iterable[Path], root: Path, reader: Reader) -> FormatMatch | None:
    """A match whose evidence is the first of these paths below `root`; None where there is none."""
    first = next(iter(paths), None)
    return None if first is None else FormatMatch(name, str(first.relative_to(root)), reader)


def match_names(name: str, names: Iterable[str], root: Path, reader: Reader) -> FormatMatch | None:
    """A match whose evidence is the first of these files or folders below `root` that exists; None for none."""
    return match_paths(name, (root / each for each in names if (root / each).exists()), root, reader)
