"""Columns of maps in files of their own: below a folder, or encoded inside shards."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage, ImageHeader, hash_file, read_bytes
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.errors import CandelabraError, UnreadableFile

if TYPE_CHECKING:
    from candelabra.data.targets.pixel_target import PixelTarget

log = logging.getLogger(__name__)


class MapFileColumn(TargetColumn):
    """Maps in files below a folder, decoded by `PixelTarget.decode_map`; one that cannot be read is unlabelled.

    Args:
        target: of the maps.
        root: the folder; paths that lead out of it are unreadable.
        paths: of each map, "" where there is none.
    """

    has_files: ClassVar[bool] = True

    def __init__(self, target: "PixelTarget", root: Path, paths: Sequence[str]) -> None:
        self.target: PixelTarget = target
        self.root, self.paths = root, list(paths)
        self._reported: set[int] = set()

    def labelled(self) -> NDArray[np.bool_]:
        return np.array([bool(path) for path in self.paths], dtype=bool)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        try:
            found = self._read(index)
        except UnreadableFile as error:
            found = None
            if index not in self._reported:
                log.warning("%s It counts as not labelled.", error)
                self._reported.add(index)
        return fit_map(self.target, found, image)

    def _read(self, index: int) -> Tensor | None:
        if not self.paths[index]:
            return None
        path = resolve_inside(self.root, self.paths[index])
        return self.target.decode_map(read_bytes(path), self.paths[index])

    def content(self, index: int) -> tuple[Any, ...]:
        if not self.paths[index]:
            return (self.target, None)
        try:
            return (self.target, hash_file(resolve_inside(self.root, self.paths[index])))
        except UnreadableFile:
            return (self.target, "unreadable")

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        """Drops maps whose files are missing; their content is checked as they are read."""
        given = [index for index in images if self.paths[index]]
        issues = []
        for index in given:
            try:
                resolve_inside(self.root, self.paths[index]).stat()
            except (UnreadableFile, OSError) as error:
                issues.append((index, describe_unreadable_map(self.target.name, error)))
                self.paths[index] = ""
        if given and not any(self.paths[index] for index in given):
            raise CandelabraError(f"No {self.target.name} can be used: {issues[0][1].detail}; is data.root right?")
        return issues

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        try:
            found = self._read(index)
        except UnreadableFile as error:
            return [describe_unreadable_map(self.target.name, error)]
        return find_map_issues(self.target, found, image)


class EncodedMapColumn(TargetColumn):
    """Maps as encoded files inside shards.

    Args:
        target: of the maps.
        present: (n,) bool, which samples have one.
    """

    def __init__(self, target: "PixelTarget", present: NDArray[np.bool_]) -> None:
        self.target: PixelTarget = target
        self.present = present

    def labelled(self) -> NDArray[np.bool_]:
        return self.present

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        try:
            found = None if raw is None else self.target.decode_map(raw, str(index))
        except UnreadableFile:
            found = None  # `inspect` reports it
        return fit_map(self.target, found, image)

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.target,)  # the encoded file is hashed with its sample

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        try:
            found = None if raw is None else self.target.decode_map(raw, str(index))
        except UnreadableFile as error:
            return [describe_unreadable_map(self.target.name, error)]
        return find_map_issues(self.target, found, image)


def fit_map(target: "PixelTarget", found: Tensor | None, image: DecodedImage) -> Tensor:
    """A map at the size that its image was decoded at; unlabelled where there is none, or it has another shape."""
    size = (image.pixels.shape[0], image.pixels.shape[1])
    if found is None or _has_other_shape(found, image):
        return target.missing(size)
    return found if tuple(found.shape) == size else resize_map(found, size[::-1])


def find_map_issues(target: "PixelTarget", found: Tensor | None, image: DecodedImage | None) -> list[DataIssue]:
    """What is wrong with a map."""
    if found is None or image is None or not _has_other_shape(found, image):
        return []
    detail = f"{found.shape[1]} x {found.shape[0]} pixels, the image {image.size[0]} x {image.size[1]}"
    return [DataIssue("", f"{target.name} of another shape than its image", IssueTreatment.UNLABELLED, detail)]


def describe_unreadable_map(name: str, error: Exception) -> DataIssue:
    """What is listed for a map that cannot be read."""
    return DataIssue("", f"{name} that cannot be read", IssueTreatment.UNLABELLED, str(error))


def _has_other_shape(found: Tensor, image: DecodedImage) -> bool:
    (height, width), (full_width, full_height) = found.shape, image.size
    return abs(width * full_height - height * full_width) > max(full_width, full_height)


def resize_map(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A map (H, W) at (width, height) = `shape`, by the nearest pixel."""
    resized = Image.fromarray(np.ascontiguousarray(values.numpy())).resize(shape, Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized))
