"""Samples that are files: one row an image, one column a target. Every file format is read into this."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candelabra.data import label_arrays
from candelabra.data.assembly import assemble_sample
from candelabra.data.bounds import clip_boxes, drop_outside_points, find_box_issues, find_point_issues
from candelabra.data.decoding.images import DecodedImage, decode_image, decode_mask, hash_file, read_bytes
from candelabra.data.decoding.mask_fitting import fit_mask
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.inspection import inspect_image, inspect_mask
from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples, hash_contents
from candelabra.data.verification import verify_files
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import IGNORED, Labels, Sample

log = logging.getLogger(__name__)


@dataclass(eq=False)
class FileSamples(Samples):
    """A table of images and their labels, all in pixels of the original image as it is shown (EXIF turns it first).

    A box is cut at the border of its image, and a point outside of it counts as not labelled; so does a mask that
    cannot be read, or has another shape than its image. Paths lead below the root, or the file is unreadable.

    Args:
        root: the folder that `names` and `masks` are below.
        names: path of each image.
        labels: what is labelled.
        published: train, val, test or "" for each.
        label: (n,) int64, -1 where not labelled; multi-label (n, C) float32, NaN where not labelled.
        box: (n, 4) float32 XYXY, NaN where not labelled.
        keypoints: (n, K, 2) float32 XY, NaN where not labelled.
        masks: path of each mask, "" where there is none.
        meaning: (256,) uint8, the class of each pixel value of a mask.
        ignored: pixel values of a mask that have no class on purpose.
        colours: the class of each colour, where masks are painted; its pixel values are then classes.
    """

    root: Path
    names: Sequence[str]
    labels: Labels
    published: NDArray[np.str_]
    label: NDArray[np.int64] | NDArray[np.float32] | None = None
    box: NDArray[np.float32] | None = None
    keypoints: NDArray[np.float32] | None = None
    masks: Sequence[str] | None = None
    meaning: NDArray[np.uint8] | None = None
    ignored: Sequence[int] = (IGNORED,)
    colours: Mapping[tuple[int, int, int], int] | None = None

    def __post_init__(self) -> None:
        self.told: set[int] = set()
        self.strata = label_arrays.compute_strata(self.label, len(self))

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        seen = decode_image(resolve_inside(self.root, self.names[index]), least)
        columns = (self.label, self.box, self.keypoints)
        label, box, keypoints = (None if column is None else column[index] for column in columns)
        found = None if self.masks is None else self._mask(index, seen)
        return assemble_sample(seen, label, box, keypoints, found)

    def _mask(self, index: int, seen: DecodedImage) -> NDArray[np.uint8]:
        assert self.masks is not None
        assert self.meaning is not None
        if self.masks[index]:
            try:
                return fit_mask(
                    decode_mask(resolve_inside(self.root, self.masks[index]), self.colours), seen, self.meaning
                )
            except UnreadableFile as error:
                if index not in self.told:
                    log.warning("%s It counts as not labelled.", error)
                    self.told.add(index)
        return np.full(seen.pixels.shape[:2], IGNORED, np.uint8)

    def original(self, index: int) -> bytes | None:
        return read_bytes(resolve_inside(self.root, self.names[index]))

    def digest(self, index: int) -> bytes:
        return hash_contents(
            hash_file(resolve_inside(self.root, self.names[index])),
            *(None if column is None else column[index] for column in (self.label, self.box, self.keypoints)),
            self._mask_digest(index),
            self.meaning,
            *([sorted(self.colours.items())] if self.colours is not None else []),
        )

    def _mask_digest(self, index: int) -> bytes | str | None:
        if self.masks is None or not self.masks[index]:
            return None
        try:
            return hash_file(resolve_inside(self.root, self.masks[index]))
        except UnreadableFile:
            return "unreadable"

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        known = label_arrays.find_labelled(self.label, self.box, self.keypoints)
        if self.masks is not None:
            known["mask"] = np.array([bool(path) for path in self.masks])
        return known

    def shown(self) -> NDArray[np.bool_]:
        return label_arrays.one_hot_labels(self.label, len(self.labels.classes))

    def verify(self) -> Mapping[int, str]:
        if not self.names:
            raise CandelabraError(f"There is no image in {self.root}; give another folder with data.root=<folder>.")
        return verify_files(self)

    def inspect(self, index: int) -> Sequence[DataIssue]:
        seen, odd = inspect_image(self.root, self.names[index])
        size = np.array([seen.size if seen else (np.inf, np.inf)], np.float32)
        if self.box is not None:
            odd += find_box_issues(self.box[index], clip_boxes(self.box[[index]], size)[0])
        if self.keypoints is not None:
            odd += find_point_issues(self.keypoints[index], drop_outside_points(self.keypoints[[index]], size)[0])
        if self.masks is not None and self.masks[index] and self.meaning is not None:
            odd += inspect_mask(self.root, self.masks[index], seen, self.meaning, self.ignored, self.colours)
        return [each._replace(name=self.names[index]) for each in odd]
