"""The contract of `writer`: writes entries into a folder."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from candelabra.data.targets import Labels
from candelabra.data.writers.entry import DatasetEntry


class DatasetWriter(ABC):
    """Writes one format.

    Attributes:
        reader: what `data=` reads it.
        shuffled: entries of a split are to come in an order that is drawn, for they are read in stretches.
    """

    reader: str
    shuffled: bool

    @abstractmethod
    def check(self, labels: Labels) -> None:
        """Refuses what it cannot write, before anything is.

        Raises:
            CandelabraError: a package is missing, or a name cannot be kept.
        """

    @abstractmethod
    def write(self, folder: Path, labels: Labels, entries: Iterable[DatasetEntry]) -> None:
        """Writes all entries, which come split by split, and holds a few of them at a time.

        Args:
            folder: an empty one.
            labels: what is labelled.
            entries: of all splits.
        """
