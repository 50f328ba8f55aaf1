"""What columns share whose values lie in files: below a folder, or encoded inside shards."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage, hash_file
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.target import Target
from candelabra.errors import UnreadableFile

log = logging.getLogger(__name__)


class FileColumn(TargetColumn):
    """Values in files below a folder; one that cannot be read is unlabelled, and reported once.

    Args:
        target: of the values.
        root: the folder; paths that lead out of it are unreadable.
        paths: of each value, "" where there is none.
    """

    has_files: ClassVar[bool] = True

    def __init__(self, target: Target, root: Path, paths: Sequence[str]) -> None:
        self.target, self.root, self.paths = target, root, list(paths)
        self._reported: set[int] = set()

    @abstractmethod
    def decode(self, index: int, image: DecodedImage) -> Tensor:
        """The value in the file of one sample, see `load`.

        Raises:
            UnreadableFile: it cannot be read.
        """

    def labelled(self) -> NDArray[np.bool_]:
        return np.array([bool(path) for path in self.paths], dtype=bool)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        if self.paths[index]:
            try:
                return self.decode(index, image)
            except UnreadableFile as error:
                if index not in self._reported:
                    log.warning("%s It counts as not labelled.", error)
                    self._reported.add(index)
        return self.target.missing((image.pixels.shape[0], image.pixels.shape[1]))

    def hash_value(self, index: int) -> bytes | str | None:
        """The hash of a file, "unreadable", or null where there is none."""
        if not self.paths[index]:
            return None
        try:
            return hash_file(resolve_inside(self.root, self.paths[index]))
        except UnreadableFile:
            return "unreadable"


class EncodedColumn(TargetColumn):
    """Values as encoded files inside shards; one that cannot be read is unlabelled, and `inspect` reports it.

    Args:
        target: of the values.
        present: (n,) bool, which samples have one.
    """

    def __init__(self, target: Target, present: NDArray[np.bool_]) -> None:
        self.target, self.present = target, present

    @abstractmethod
    def decode(self, raw: bytes, index: int, image: DecodedImage) -> Tensor:
        """The value of an encoded file, see `load`.

        Raises:
            UnreadableFile: it cannot be read.
        """

    def labelled(self) -> NDArray[np.bool_]:
        return self.present

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        if raw is not None:
            try:
                return self.decode(raw, index, image)
            except UnreadableFile:
                pass  # `inspect` reports it
        return self.target.missing((image.pixels.shape[0], image.pixels.shape[1]))


def describe_unreadable(target: str, error: Exception) -> DataIssue:
    """What is listed for a value whose file cannot be read."""
    return DataIssue("", f"{target} that cannot be read", IssueTreatment.UNLABELLED, str(error))
