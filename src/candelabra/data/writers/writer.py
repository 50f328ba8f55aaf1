"""The abstract writer of data sets."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from candelabra.data.targets import Labels
from candelabra.data.writers.entry import DatasetEntry


class DatasetWriter(ABC):
    """Abstract writer of one format.

    Attributes:
        reader: value of `data=` that reads the format.
        shuffled: whether entries must be shuffled, as the format is read sequentially.
    """

    reader: str
    shuffled: bool

    @abstractmethod
    def check(self, labels: Labels) -> None:
        """Check before writing that the labels can be written.

        Raises:
            CandelabraError: a package is missing, or a name cannot be written.
        """

    @abstractmethod
    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        """Write all entries; only a few are in memory at a time.

        Args:
            folder: an empty folder.
            labels: targets of the entries.
            entries: of all splits, one split after another.
        """
