"""Vectors of an unfinished index, in parts that are written atomically: a killed process loses seconds of work."""

import logging
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.storage.archives import check_archive
from candelabra.storage.atomic import remove_temporary_files, write_atomically

log = logging.getLogger(__name__)
_DAMAGE = (OSError, ValueError, KeyError, EOFError, MemoryError, SyntaxError, TokenError)


class VectorPart(NamedTuple):
    """Vectors of consecutive images.

    Args:
        start: position of the first image.
        digests: (n,) V20, of the content of each.
        problems: (n,) why an image is unreadable; "" if it is readable.
        vectors: (m, D), of the readable ones, in order.
    """

    start: int
    digests: NDArray[np.void]
    problems: NDArray[np.str_]
    vectors: Vectors

    @property
    def stop(self) -> int:
        """Position after the last image."""
        return self.start + len(self.digests)


class VectorParts:
    """A folder of parts.

    Args:
        folder: of these parts alone; created where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(folder)

    def __iter__(self) -> Iterator[VectorPart]:
        """Yields parts by position, read one at a time; removes damaged ones, with a warning."""
        for path in sorted(self.folder.glob("*.npz")):
            try:
                check_archive(path)
                with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                    part = VectorPart(int(path.stem), file["digests"], file["problems"], file["vectors"])
            except (*_DAMAGE, zipfile.BadZipFile, AttributeError):
                log.warning("%s is damaged; its images are embedded again", path)
                path.unlink()
                continue
            yield part

    def add(self, part: VectorPart) -> None:
        """Writes a part. A process killed meanwhile leaves no part."""
        write_atomically(
            self.folder / f"{part.start:012d}.npz",
            lambda file: np.savez(file, digests=part.digests, problems=part.problems, vectors=part.vectors),
            sync=True,
        )

    def find_missing(self, count: int, digest: Callable[[range], Sequence[bytes]]) -> list[range]:
        """Returns the ranges of images that no part has; removes parts whose images have changed.

        Args:
            count: of all images.
            digest: returns the present digests of a range of images.
        """
        gaps, done = [], 0
        for part in self:
            here = range(part.start, part.stop)
            if part.stop > count or [each.tobytes() for each in part.digests] != list(digest(here)):
                log.warning("%d images have changed; they are embedded again", len(here))
                (self.folder / f"{part.start:012d}.npz").unlink()
                continue
            gaps.append(range(done, part.start))
            done = part.stop
        return [gap for gap in [*gaps, range(done, count)] if len(gap)]
