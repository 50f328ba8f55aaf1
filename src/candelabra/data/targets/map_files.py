"""Columns of maps in files of their own: below a folder, or encoded inside shards."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.images import DecodedImage, ImageHeader, read_bytes
from candelabra.data.decoding.nearest_pixels import find_nearest_pixels
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.file_column import EncodedColumn, FileColumn, describe_unreadable
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import Size

if TYPE_CHECKING:
    from candelabra.data.targets.pixel_target import PixelTarget


class MapFileColumn(FileColumn):
    """Maps in files below a folder, decoded by `PixelTarget.decode_map`; see `FileColumn`."""

    target: "PixelTarget"

    def decode(self, index: int, image: DecodedImage) -> Tensor:
        return fit_map(self.target, self._read(index), image)

    def _read(self, index: int) -> Tensor | None:
        if not self.paths[index]:
            return None
        path = resolve_inside(self.root, self.paths[index])
        return self.target.decode_map(read_bytes(path), self.paths[index])

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.target, self.hash_value(index))

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        """Drops maps whose files are missing; their content is checked as they are read."""
        files = {index: [self.paths[index]] for index in images if self.paths[index]}
        return drop_missing_files(self, files, self.target.name)

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        try:
            found = self._read(index)
        except UnreadableFile as error:
            return [describe_unreadable(self.target.name, error)]
        return find_map_issues(self.target, found, image)


class EncodedMapColumn(EncodedColumn):
    """Maps as encoded files inside shards; see `EncodedColumn`."""

    target: "PixelTarget"

    def decode(self, raw: bytes, index: int, image: DecodedImage) -> Tensor:
        return fit_map(self.target, self.target.decode_map(raw, str(index)), image)

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.target,)  # the encoded file is hashed with its sample

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        try:
            found = None if raw is None else self.target.decode_map(raw, str(index))
        except UnreadableFile as error:
            return [describe_unreadable(self.target.name, error)]
        return find_map_issues(self.target, found, image)


def drop_missing_files(
    column: FileColumn, files: Mapping[int, Sequence[str]], what: str
) -> Sequence[tuple[int, DataIssue]]:
    """Empties the paths of values some of whose files are missing, and returns what was wrong.

    Args:
        column: of the values.
        files: of each value that is checked, below the root of the column.
        what: they are, for the message.

    Raises:
        CandelabraError: no value can be used.
    """
    issues = []
    for index, paths in files.items():
        try:
            for path in paths:
                resolve_inside(column.root, path).stat()
        except (UnreadableFile, OSError) as error:
            issues.append((index, describe_unreadable(column.target.name, error)))
            column.paths[index] = ""
    if files and not any(column.paths[index] for index in files):
        raise CandelabraError(f"No {what} can be used: {issues[0][1].detail}; is data.root right?")
    return issues


def fit_map(target: "PixelTarget", found: Tensor | None, image: DecodedImage) -> Tensor:
    """A map at the size that its image was decoded at; unlabelled where there is none, or it has another shape."""
    size = (image.pixels.shape[0], image.pixels.shape[1])
    if found is None or _has_other_shape(found, image):
        return target.missing(size)
    if tuple(found.shape[-2:]) == size:
        return found
    (width, height), (across, down) = image.size, image.region.extent  # the map reaches over the whole file
    factors = (size[0] * height / found.shape[-2] / down, size[1] * width / found.shape[-1] / across)
    return target.scale_values(resize_map(found, size, image.region), factors)


def find_map_issues(target: "PixelTarget", found: Tensor | None, image: DecodedImage | None) -> list[DataIssue]:
    """What is wrong with a map."""
    if found is None or image is None or not _has_other_shape(found, image):
        return []
    detail = f"{found.shape[-1]} x {found.shape[-2]} pixels, the image {image.size[0]} x {image.size[1]}"
    return [DataIssue("", f"{target.name} of another shape than its image", IssueTreatment.UNLABELLED, detail)]


def _has_other_shape(found: Tensor, image: DecodedImage) -> bool:
    (height, width), (full_width, full_height) = found.shape[-2:], image.size
    return abs(width * full_height - height * full_width) > max(full_width, full_height)


def resize_map(values: Tensor, size: Size, region: CoveredRegion | None = None) -> Tensor:
    """Maps (..., H, W) at another (H, W), by the pixel at each new centre.

    Args:
        values: the maps.
        size: of the result.
        region: what the new pixels cover of the maps, counted in any unit; null for all of it.
    """
    plain = values.as_subclass(Tensor)
    if tuple(plain.shape[-2:]) == size and region is None:
        return plain.clone()
    for axis in (-2, -1):
        places = find_nearest_pixels(plain.shape[axis], size[axis], region and region[axis])
        plain = plain.index_select(axis, torch.from_numpy(places).to(plain.device, non_blocking=True))
    return plain
