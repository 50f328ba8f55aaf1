"""Samples that are encoded images inside larger files: tar shards, Arrow tables, chunks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data import label_arrays
from candelabra.data.assembly import assemble_sample
from candelabra.data.bounds import clip_boxes, drop_outside_points, find_box_issues, find_point_issues
from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import DecodedImage, UnreadableFile, decode_image, decode_mask, read_header
from candelabra.data.decoding.mask_fitting import fit_mask
from candelabra.data.inspection import find_mask_issues
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import Samples, hash_contents
from candelabra.data.shards.label_columns import LabelColumns
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, Labels, Sample

_VERIFIED = 20_000  # images whose headers are looked at, where that takes no network


class EncodedFiles(NamedTuple):
    """What a source holds of one sample: encoded files."""

    image: bytes
    mask: bytes | None = None


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
            Unreadable: they cannot be got.
        """


@dataclass(eq=False)
class EncodedSamples(Samples):
    """A source of encoded images, and columns of labels as `Records` has them.

    Args:
        source: of images and masks.
        names: of the samples.
        labels: what is labelled.
        published: train, val, test or "" for each.
        label, box, keypoints: see `Records`.
        masked: (n,) bool, which samples have a mask; its values are class indices, 255 for none.
        issues: see `Samples`.
    """

    source: EncodedSource
    names: Sequence[str]
    labels: Labels
    published: NDArray[np.str_]
    label: NDArray[np.int64] | NDArray[np.float32] | None
    box: NDArray[np.float32] | None
    keypoints: NDArray[np.float32] | None
    masked: NDArray[np.bool_] | None
    issues: Sequence[DataIssue] = ()

    def __post_init__(self) -> None:
        self.strata = label_arrays.compute_strata(self.label, len(self))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        contents = self.source.read(index)
        seen = decode_image(RawBytes(contents.image, self.names[index]), least)
        columns = (self.label, self.box, self.keypoints)
        label, box, keypoints = (None if column is None else column[index] for column in columns)
        found = None if self.masked is None else self._mask(index, contents.mask, seen)
        return assemble_sample(seen, label, box, keypoints, found)

    def _mask(self, index: int, raw: bytes | None, seen: DecodedImage) -> NDArray[np.uint8]:
        """One that cannot be read, or has another shape than its image, teaches nothing; see `inspect`."""
        with suppress(UnreadableFile):
            if raw is not None:
                return fit_mask(decode_mask(RawBytes(raw, self.names[index])), seen, self._meaning())
        return np.full(seen.pixels.shape[:2], IGNORED, np.uint8)

    def _meaning(self) -> NDArray[np.uint8]:
        values = np.arange(256)
        return np.where(values < len(self.labels.mask_classes), values, IGNORED).astype(np.uint8)

    def original(self, index: int) -> bytes | None:
        return self.source.read(index).image

    def digest(self, index: int) -> bytes:
        contents = self.source.read(index)
        columns = (self.label, self.box, self.keypoints)
        mask = contents.mask if self.masked is not None else None
        return hash_contents(contents.image, *(None if column is None else column[index] for column in columns), mask)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        known = label_arrays.find_labelled(self.label, self.box, self.keypoints)
        if self.masked is not None:
            known["mask"] = self.masked
        return known

    def shown(self) -> NDArray[np.bool_]:
        return label_arrays.one_hot_labels(self.label, len(self.labels.classes))

    def verify(self) -> Mapping[int, str]:
        if not self.source.near:
            return {}
        looked = np.linspace(0, len(self) - 1, min(len(self), _VERIFIED)).astype(int)
        return {int(index): problem for index in looked if (problem := self._problem(int(index)))}

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
            seen = decode_image(RawBytes(contents.image, name))
        except UnreadableFile as error:
            return [DataIssue(name, "unreadable", IssueTreatment.SKIPPED, str(error))]
        found = list(seen.odd)
        size = np.array([seen.size], np.float32)
        if self.box is not None:
            found += find_box_issues(self.box[index], clip_boxes(self.box[[index]], size)[0])
        if self.keypoints is not None:
            found += find_point_issues(self.keypoints[index], drop_outside_points(self.keypoints[[index]], size)[0])
        if contents.mask is not None and self.masked is not None:
            found += find_mask_issues(RawBytes(contents.mask, name), seen, self._meaning(), (IGNORED,))
        return [each._replace(name=name) for each in found]


def make_encoded_samples(
    source: EncodedSource,
    columns: LabelColumns,
    published: Sequence[str] | NDArray[np.str_],
    masked: Sequence[bool] | NDArray[np.bool_],
    given: Labels,
    issues: Sequence[DataIssue] = (),
) -> EncodedSamples:
    """Samples of a source and what they say of themselves.

    Args:
        source: of images and masks.
        columns: of labels.
        published: train, val, test or "" for each.
        masked: which samples have a mask; used where `given` names its classes.
        given: the words that are known, such as the names of classes.
        issues: that were found before.

    Raises:
        CandelabraError: there is no sample.
    """
    if not len(columns.names):
        raise CandelabraError("There is no image in data.root; give another folder, or other shards.")
    labels, label = columns.labels(given)
    box, points = columns.boxes(), columns.points(len(given.keypoints))
    if points is not None and not given.keypoints:
        named = tuple(str(number) for number in range(points.shape[1]))
        labels = Labels(**{**vars(labels), "keypoints": named, "mirror": tuple(range(len(named)))})
    empty = len(columns.names)
    if given.box and box is None:
        box = np.full((empty, 4), np.nan, np.float32)
    if given.keypoints and points is None:
        points = np.full((empty, len(given.keypoints), 2), np.nan, np.float32)
    masks = np.asarray(masked, bool) if given.mask_classes else None
    labels = Labels(**{**vars(labels), "box": box is not None})
    odd = [*issues, *columns.issues]
    return EncodedSamples(source, columns.names, labels, np.array(published, "<U5"), label, box, points, masks, odd)
