"""Columns of masks: files below a folder, and encoded files of shards."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.header_checks import read_headers
from candelabra.data.decoding.image_files import RawBytes
from candelabra.data.decoding.images import DecodedImage, ImageHeader, decode_mask
from candelabra.data.decoding.mask_fitting import describe_misfit, fit_mask
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets.file_column import EncodedColumn, FileColumn, describe_unreadable
from candelabra.data.targets.mask_issues import find_mask_issues
from candelabra.errors import CandelabraError, UnreadableFile
from candelabra.types import IGNORED

if TYPE_CHECKING:
    from candelabra.data.targets.mask import MaskTarget

_COLOUR_TRIALS = 8  # masks kept as colours that are decoded, to see whether they are grey


class MaskFileColumn(FileColumn):
    """Masks in files below a folder. One that cannot be read, or has another shape than its image, is unlabelled.

    Args:
        target: names the classes.
        root: the folder; paths that lead out of it are unreadable.
        paths: of each mask, "" where there is none.
        meaning: (256,) uint8, the class of each pixel value.
        ignored: pixel values that have no class on purpose.
        colours: the class of each colour, where masks are painted; pixel values are then classes.
    """

    target: "MaskTarget"

    def __init__(
        self,
        target: "MaskTarget",
        root: Path,
        paths: Sequence[str],
        meaning: NDArray[np.uint8],
        ignored: Collection[int] = (IGNORED,),
        colours: Mapping[tuple[int, int, int], int] | None = None,
    ) -> None:
        super().__init__(target, root, paths)
        self.meaning, self.ignored, self.colours = meaning, ignored, colours

    def decode(self, index: int, image: DecodedImage) -> Tensor:
        mask = decode_mask(resolve_inside(self.root, self.paths[index]), self.colours)
        return _to_tensor(fit_mask(mask, image, self.meaning))

    def content(self, index: int) -> tuple[Any, ...]:
        colours = [] if self.colours is None else [sorted(self.colours.items())]
        return (self.hash_value(index), self.meaning, *colours)

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
                issue: DataIssue | None = describe_unreadable(self.target.name, header)
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
            return [describe_unreadable(self.target.name, error)]
        return find_mask_issues(path, image, self.meaning, self.ignored, self.colours)


class EncodedMaskColumn(EncodedColumn):
    """Masks as encoded files inside shards; their pixels are class indices, 255 where not labelled.

    Args:
        target: names the classes.
        present: (n,) bool, which samples have a mask.
    """

    target: "MaskTarget"

    def __init__(self, target: "MaskTarget", present: NDArray[np.bool_]) -> None:
        super().__init__(target, present)
        values = np.arange(256)
        self.meaning = np.where(values < len(target.classes), values, IGNORED).astype(np.uint8)

    def decode(self, raw: bytes, index: int, image: DecodedImage) -> Tensor:
        return _to_tensor(fit_mask(decode_mask(RawBytes(raw, str(index))), image, self.meaning))

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.meaning,)  # the encoded file is hashed with its sample

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        if raw is None:
            return []
        return find_mask_issues(RawBytes(raw, str(index)), image, self.meaning, (IGNORED,))


def _to_tensor(mask: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(mask if mask.flags.writeable else mask.copy())


def _is_coloured(header: ImageHeader | UnreadableFile) -> bool:
    return isinstance(header, ImageHeader) and header.mode in ("RGB", "RGBA")
