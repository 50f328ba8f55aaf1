"""Samples that are image files: one row an image, one column a target. Every file format is read into this."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.images import decode_image, hash_file, read_bytes
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.inspection import inspect_image
from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples, hash_contents, image_to_tensor, make_sample
from candelabra.data.targets import Labels, TargetColumn
from candelabra.data.verification import verify_files
from candelabra.errors import CandelabraError
from candelabra.types import Sample


class FileSamples(Samples):
    """Image files and columns of their targets, all in pixels of the image after its EXIF orientation is applied.

    Args:
        root: the folder that `names` are below; a path that leads out of it is unreadable.
        names: path of each image.
        published: train, val, test or "" for each.
        columns: of the targets that are labelled.
        issues: found while reading lists and labels.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        published: NDArray[np.str_],
        columns: Sequence[TargetColumn],
        issues: Sequence[DataIssue] = (),
    ) -> None:
        self.root, self.names, self.published, self.issues = root, names, published, issues
        self.columns = list(columns)
        self.labels = Labels(*(column.target for column in columns))
        self.strata = find_strata(self.columns, len(names))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        image = decode_image(resolve_inside(self.root, self.names[index]), least)
        values = {column.target.name: column.load(index, image) for column in self.columns}
        return make_sample(image_to_tensor(image.pixels), self.labels, values)

    def original(self, index: int) -> bytes | None:
        return read_bytes(resolve_inside(self.root, self.names[index]))

    def digest(self, index: int) -> bytes:
        contents = [each for column in self.columns for each in column.content(index)]
        return hash_contents(hash_file(resolve_inside(self.root, self.names[index])), *contents)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {column.target.name: column.labelled() for column in self.columns}

    def shown(self) -> NDArray[np.bool_]:
        return find_class_matrix(self.columns, len(self))

    def verify(self) -> Mapping[int, str]:
        if not self.names:
            raise CandelabraError(f"There is no image in {self.root}; give another folder with data.root=<folder>.")
        unusable, issues = verify_files(self.root, self.names, self.columns)
        self.issues = [*self.issues, *issues]
        return unusable

    def inspect(self, index: int) -> Sequence[DataIssue]:
        image, issues = inspect_image(self.root, self.names[index])
        found = [*issues, *(each for column in self.columns for each in column.inspect(index, image))]
        return [each._replace(name=self.names[index]) for each in found]


def find_strata(columns: Sequence[TargetColumn], count: int) -> NDArray[np.int64]:
    """(n,) numbers whose shares random splits keep: those of the first target that has some, else zeros."""
    found = (column.strata() for column in columns)
    return next((strata for strata in found if strata is not None), np.zeros(count, np.int64))


def find_class_matrix(columns: Sequence[TargetColumn], count: int) -> NDArray[np.bool_]:
    """(n, C) which classes each sample is labelled with; C is 0 where no target classifies samples."""
    found = (column.class_matrix() for column in columns)
    return next((matrix for matrix in found if matrix is not None), np.zeros((count, 0), bool))
