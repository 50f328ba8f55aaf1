"""Columns of masks: files below a folder, and encoded files of shards."""

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.header_checks import read_headers
from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import DecodedImage, ImageHeader, decode_mask, hash_file
from candelabra.data.decoding.mask_fitting import describe_misfit, fit_mask
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.mask_issues import find_mask_issues
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import IGNORED

if TYPE_CHECKING:
    from candelabra.data.targets.mask import MaskTarget

log = logging.getLogger(__name__)
_COLOUR_TRIALS = 8  # masks kept as colours that are decoded, to see whether they are grey


class MaskFileColumn(TargetColumn):
    """Masks in files below a folder. One that cannot be read, or has another shape than its image, is unlabelled.

    Args:
        target: names the classes.
        root: the folder; paths that lead out of it are unreadable.
        paths: of each mask, "" where there is none.
        meaning: (256,) uint8, the class of each pixel value.
        ignored: pixel values that have no class on purpose.
        colours: the class of each colour, where masks are painted; pixel values are then classes.
    """

    has_files: ClassVar[bool] = True

    def __init__(
        self,
        target: "MaskTarget",
        root: Path,
        paths: Sequence[str],
        meaning: NDArray[np.uint8],
        ignored: Collection[int] = (IGNORED,),
        colours: Mapping[tuple[int, int, int], int] | None = None,
    ) -> None:
        self.target, self.root, self.paths = target, root, list(paths)
        self.meaning, self.ignored, self.colours = meaning, ignored, colours
        self._reported: set[int] = set()

    def labelled(self) -> NDArray[np.bool_]:
        return np.array([bool(path) for path in self.paths], dtype=bool)

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        if self.paths[index]:
            try:
                mask = decode_mask(resolve_inside(self.root, self.paths[index]), self.colours)
                return _to_tensor(fit_mask(mask, image, self.meaning))
            except UnreadableFile as error:
                if index not in self._reported:
                    log.warning("%s It counts as not labelled.", error)
                    self._reported.add(index)
        return self.target.missing((image.pixels.shape[0], image.pixels.shape[1]))

    def content(self, index: int) -> tuple[Any, ...]:
        colours = [] if self.colours is None else [sorted(self.colours.items())]
        return (self._file_hash(index), self.meaning, *colours)

    def _file_hash(self, index: int) -> bytes | str | None:
        if not self.paths[index]:
            return None
        try:
            return hash_file(resolve_inside(self.root, self.paths[index]))
        except UnreadableFile:
            return "unreadable"

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        given = [index for index in images if self.paths[index]]
        if not given:
            return []
        decode = partial(decode_mask, colours=self.colours)
        headers = read_headers(self.root, [self.paths[index] for index in given], "masks", decode)
        if self.colours is None:
            self._check_colours([self.paths[i] for i, head in zip(given, headers, strict=True) if _is_coloured(head)])
        issues = []
        for index, header in zip(given, headers, strict=True):
            if isinstance(header, UnreadableFile):
                issue: DataIssue | None = describe_unreadable_mask(header)
            else:
                issue = describe_misfit(header.size, images[index].size, images[index].orientation)
            if issue:
                issues.append((index, issue))
                self.paths[index] = self.paths[index] if issue.treatment == IssueTreatment.REPAIRED else ""
        if not any(self.paths[index] for index in given):
            first, issue = issues[0]
            raise CandelabraError(f"No mask can be used: {first}: {issue.detail}; is data.root right?")
        return issues

    def _check_colours(self, paths: Sequence[str]) -> None:
        for place in np.linspace(0, len(paths) - 1, min(len(paths), _COLOUR_TRIALS)).astype(int):
            try:
                decode_mask(resolve_inside(self.root, paths[place]))
            except UnreadableFile as error:
                raise CandelabraError(str(error)) from error

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        if not self.paths[index]:
            return []
        try:
            path = resolve_inside(self.root, self.paths[index])
        except UnreadableFile as error:
            return [describe_unreadable_mask(error)]
        return find_mask_issues(path, image, self.meaning, self.ignored, self.colours)


class EncodedMaskColumn(TargetColumn):
    """Masks as encoded files inside shards; their pixels are class indices, 255 where not labelled.

    Args:
        target: names the classes.
        present: (n,) bool, which samples have a mask.
    """

    def __init__(self, target: "MaskTarget", present: NDArray[np.bool_]) -> None:
        self.target, self.present = target, present
        values = np.arange(256)
        self.meaning = np.where(values < len(target.classes), values, IGNORED).astype(np.uint8)

    def labelled(self) -> NDArray[np.bool_]:
        return self.present

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        if raw is not None:
            try:
                return _to_tensor(fit_mask(decode_mask(RawBytes(raw, str(index))), image, self.meaning))
            except UnreadableFile:
                pass  # `inspect` reports it
        return self.target.missing((image.pixels.shape[0], image.pixels.shape[1]))

    def content(self, index: int) -> tuple[Any, ...]:
        return ()  # the encoded file is hashed with its sample

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        if raw is None:
            return []
        return find_mask_issues(RawBytes(raw, str(index)), image, self.meaning, (IGNORED,))


def describe_unreadable_mask(error: UnreadableFile) -> DataIssue:
    """What is listed for a mask that cannot be read."""
    return DataIssue("", "mask that cannot be read", IssueTreatment.UNLABELLED, str(error))


def _to_tensor(mask: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(mask if mask.flags.writeable else mask.copy())


def _is_coloured(header: ImageHeader | UnreadableFile) -> bool:
    return isinstance(header, ImageHeader) and header.mode in ("RGB", "RGBA")
