"""Samples that are encoded images inside larger files: tar shards, Arrow tables, chunks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import UnreadableFile, decode_image, read_header
from candelabra.data.file_samples import find_class_matrix, find_strata
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import Samples, ShardWindows, hash_contents, image_to_tensor, make_sample
from candelabra.data.shards.label_columns import read_columns
from candelabra.data.targets import Labels, TargetColumn
from candelabra.errors import CandelabraError
from candelabra.types import Sample

_VERIFIED = 20_000  # images whose headers are checked, where that takes no network


class EncodedFiles(NamedTuple):
    """What a source holds of one sample: encoded files.

    Args:
        image: of the image.
        files: of the targets that lie in files, by their name.
    """

    image: bytes
    files: Mapping[str, bytes] = {}


class EncodedSource(ABC):
    """Where images and masks are.

    Attributes:
        near: on a disk of this machine, so that reading some of it costs little.
    """

    near: bool = True

    @abstractmethod
    def read(self, index: int) -> EncodedFiles:
        """The files of one sample.

        Raises:
            UnreadableFile: they cannot be got.
        """


class EncodedSamples(Samples):
    """A source of encoded images, and columns of their targets.

    Args:
        source: of images and of files of targets.
        names: of the samples.
        published: train, val, test or "" for each.
        columns: of the targets that are labelled.
        issues, windows: see `Samples`.
    """

    def __init__(
        self,
        source: EncodedSource,
        names: Sequence[str],
        published: NDArray[np.str_],
        columns: Sequence[TargetColumn],
        issues: Sequence[DataIssue] = (),
        windows: ShardWindows | None = None,
    ) -> None:
        self.source, self.names, self.published, self.issues = source, names, published, issues
        self.windows = windows
        self.columns = list(columns)
        self.labels = Labels(*(column.target for column in columns))
        self.strata = find_strata(self.columns, len(names))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        contents = self.source.read(index)
        image = decode_image(RawBytes(contents.image, self.names[index]), least)
        values = {
            column.target.name: column.load(index, image, contents.files.get(column.target.name))
            for column in self.columns
        }
        return make_sample(image_to_tensor(image.pixels), self.labels, values)

    def original(self, index: int) -> bytes | None:
        return self.source.read(index).image

    def digest(self, index: int) -> bytes:
        contents = self.source.read(index)
        parts: list[Any] = [contents.image]
        for column in self.columns:
            parts += [*column.content(index), contents.files.get(column.target.name)]
        return hash_contents(*parts)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        return {column.target.name: column.labelled() for column in self.columns}

    def shown(self) -> NDArray[np.bool_]:
        return find_class_matrix(self.columns, len(self))

    def verify(self) -> Mapping[int, str]:
        if not self.source.near:
            return {}
        chosen = np.linspace(0, len(self) - 1, min(len(self), _VERIFIED)).astype(int)
        return {int(index): problem for index in chosen if (problem := self._problem(int(index)))}

    def _problem(self, index: int) -> str | None:
        try:
            raw = RawBytes(self.source.read(index).image, self.names[index])
            if not read_header(raw).sure:
                decode_image(raw)
            return None
        except UnreadableFile as error:
            return str(error)

    def inspect(self, index: int) -> Sequence[DataIssue]:
        name = self.names[index]
        try:
            contents = self.source.read(index)
            image = decode_image(RawBytes(contents.image, name))
        except UnreadableFile as error:
            return [DataIssue(name, "unreadable", IssueTreatment.SKIPPED, str(error))]
        found = list(image.odd)
        for column in self.columns:
            found += column.inspect(index, image, contents.files.get(column.target.name))
        return [each._replace(name=name) for each in found]


def make_encoded_samples(
    source: EncodedSource,
    names: Sequence[str],
    published: Sequence[str] | NDArray[np.str_],
    cells: Mapping[str, Sequence[Any]],
    present: Mapping[str, NDArray[np.bool_]],
    given: Labels,
    issues: Sequence[DataIssue] = (),
    windows: ShardWindows | None = None,
) -> EncodedSamples:
    """Samples of a source and what their records say.

    Args:
        source: of images and files of targets.
        names: of the samples.
        published: train, val, test or "" for each.
        cells: see `read_columns`.
        present: likewise.
        given: likewise.
        issues: found before.
        windows: shards that training is to read together.

    Raises:
        CandelabraError: there is no sample.
    """
    if not len(names):
        raise CandelabraError("There is no image in data.root; give another folder, or other shards.")
    found = list(issues)
    columns = read_columns(names, cells, present, given, found)
    return EncodedSamples(source, names, np.array(published, "<U5"), columns, found, windows)
