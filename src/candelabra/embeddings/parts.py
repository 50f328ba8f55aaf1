"""Vectors on their way to disk: parts that are each whole or not there, so that a kill costs seconds of work."""

import logging
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.embeddings.encoder import Vectors
from candelabra.storage.atomic import remove_temporary_files, write_atomically

log = logging.getLogger(__name__)


class VectorPart(NamedTuple):
    """What became of the images from `start` on.

    Args:
        start: position of the first image.
        digests: (n,) V20, of the content of each.
        problems: (n,) words, why an image could not be read; "" where it could.
        vectors: (m, D), of those that could, in order.
    """

    start: int
    digests: NDArray[np.void]
    problems: NDArray[np.str_]
    vectors: Vectors

    @property
    def stop(self) -> int:
        """The position behind the last image."""
        return self.start + len(self.digests)


class VectorParts:
    """A folder of parts, each a file that is written under a passing name, synced, and renamed.

    Args:
        folder: of these parts alone; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(folder)

    def __iter__(self) -> Iterator[VectorPart]:
        """Parts by position, read one at a time; a torn one is taken away, with a warning."""
        for path in sorted(self.folder.glob("*.npz")):
            try:
                with path.open("rb") as handle, np.load(handle) as file:
                    part = VectorPart(int(path.stem), file["digests"], file["problems"], file["vectors"])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                log.warning("%s is torn; its images are embedded again", path)
                path.unlink()
                continue
            yield part

    def add(self, part: VectorPart) -> None:
        """Writes a part; a kill at any moment leaves the part, or nothing."""
        write_atomically(
            self.folder / f"{part.start:012d}.npz",
            lambda file: np.savez(file, digests=part.digests, problems=part.problems, vectors=part.vectors),
            sync=True,
        )

    def missing(self, count: int, digest: Callable[[range], Sequence[bytes]]) -> list[range]:
        """What is still to be done of so many images; parts of images that have changed since are taken away.

        Args:
            count: of all images.
            digest: tells what the images of a range hold now.
        """
        gaps, done = [], 0
        for part in self:
            here = range(part.start, part.stop)
            if part.stop > count or [each.tobytes() for each in part.digests] != list(digest(here)):
                log.warning("%d images are not what they were; they are embedded again", len(here))
                (self.folder / f"{part.start:012d}.npz").unlink()
                continue
            gaps.append(range(done, part.start))
            done = part.stop
        return [gap for gap in [*gaps, range(done, count)] if len(gap)]
