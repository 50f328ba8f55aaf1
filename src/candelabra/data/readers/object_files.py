"""Maps of objects in files: label maps, whose numbers tell objects apart, or one mask for each object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.image_files import open_image
from candelabra.data.decoding.images import DecodedImage, ImageHeader, hash_file
from candelabra.data.decoding.paths import resolve_inside
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.targets import InstancesTarget
from candelabra.data.targets.file_column import FileColumn, describe_unreadable
from candelabra.data.targets.instance_maps import number_objects
from candelabra.data.targets.map_files import drop_missing_files, find_map_issues, fit_map
from candelabra.errors import UnreadableFile

_WHITE = 127  # what is brighter belongs to an object whose mask is kept as JPEG
_UNKNOWN = -1  # in numbers of objects


class ObjectFiles(NamedTuple):
    """The files of one image, paths below the root.

    Args:
        numbers: a label map; or, where `masks`, masks of one object each.
        masks: whether they are such masks, any pixel above 0 being the object.
        classes: a map of class numbers; empty where there is one class.
    """

    numbers: tuple[str, ...]
    masks: bool = False
    classes: str = ""


class ObjectFileColumn(FileColumn):
    """Maps of objects in files below a folder. One that cannot be read, or has another shape, is unlabelled.

    Args:
        target: names the classes.
        root: the folder; paths that lead out of it are unreadable.
        files: of each image, null where there is none.
        ignored: numbers in label maps that say nothing of their pixels.
        places: the class index of each number in maps of classes; other numbers are classes of no object.
    """

    target: InstancesTarget

    def __init__(
        self,
        target: InstancesTarget,
        root: Path,
        files: Sequence[ObjectFiles | None],
        ignored: Sequence[int] = (),
        places: Mapping[int, int] | None = None,
    ) -> None:
        super().__init__(target, root, [each.numbers[0] if each else "" for each in files])
        self.files, self.ignored, self.places = list(files), tuple(ignored), dict(places or {})

    def decode(self, index: int, image: DecodedImage) -> Tensor:
        return fit_map(self.target, self._read(index), image)

    def _read(self, index: int) -> Tensor | None:
        files = self.files[index]
        if files is None or not self.paths[index]:
            return None
        maps = [read_numbers(resolve_inside(self.root, path), files.masks) for path in files.numbers]
        numbers = _stack_masks(maps, files.numbers) if files.masks else maps[0]
        numbers[np.isin(numbers, self.ignored)] = _UNKNOWN
        if not files.classes:
            return number_objects(numbers, np.zeros((), np.int64))
        found = read_numbers(resolve_inside(self.root, files.classes))
        if found.shape != numbers.shape:
            raise UnreadableFile(f"{files.classes} has another size than {files.numbers[0]}.")
        classes = np.full(found.shape, -1, np.int64)
        for number, place in self.places.items():
            classes[found == number] = place
        numbers[(classes < 0) & (numbers > 0)] = _UNKNOWN
        return number_objects(numbers, classes.clip(min=0))

    def content(self, index: int) -> tuple[Any, ...]:
        files = self.files[index]
        if files is None or not self.paths[index]:
            return (None,)
        try:
            hashes = [hash_file(resolve_inside(self.root, path)) for path in (*files.numbers, files.classes) if path]
        except UnreadableFile:
            return ("unreadable",)
        return (*hashes, files.masks, self.ignored, sorted(self.places.items()))

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        """Drops maps whose files are missing; their content is checked as they are read."""
        given = {i: files.numbers for i in images if self.paths[i] and (files := self.files[i])}
        return drop_missing_files(self, given, "map of objects")

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        try:
            found = self._read(index)
        except UnreadableFile as error:
            return [describe_unreadable(self.target.name, error)]
        issues = find_map_issues(self.target, found, image)
        if found is not None and not (found > 0).any():
            issues.append(DataIssue("", "label map without an object", IssueTreatment.USED, "no object is there"))
        return issues


def read_numbers(path: Path, binary: bool = False) -> NDArray[np.int64]:
    """The numbers (H, W) in an image file of any depth; colours are told apart as 0xBBGGRR, black being 0.

    Args:
        path: of the file.
        binary: it shows one object, in white: JPEG's grey edges are black or white.

    Raises:
        UnreadableFile: it cannot be read, or holds no whole numbers.
    """
    with open_image(path) as image:
        if image.format == "JPEG" and binary:
            return (np.asarray(image.convert("L")) > _WHITE).astype(np.int64)
        if image.format == "JPEG":
            raise UnreadableFile("is kept as JPEG, which changes numbers; a map of objects needs PNG or TIFF.")
        image.load()
        pixels = np.asarray(image)
        if pixels.ndim == 3 and image.mode in ("RGB", "RGBA", "RGBX"):
            pixels = pixels[..., :3].astype(np.int64) @ np.array([1, 1 << 8, 1 << 16])
        if pixels.ndim == 3 and image.mode in ("LA", "PA"):
            pixels = pixels[..., 0]
        whole = pixels.ndim == 2 and (pixels.dtype.kind in "biu" or bool((pixels == np.rint(pixels)).all()))
        if not whole:
            raise UnreadableFile(f"has mode {image.mode}; a map of objects holds one whole number a pixel.")
        numbers: NDArray[np.int64] = pixels.astype(np.int64)
        return numbers


def _stack_masks(maps: Sequence[NDArray[np.int64]], paths: Sequence[str]) -> NDArray[np.int64]:
    """Masks of one object each as a label map; where two overlap, the smaller object is in front."""
    numbers = np.zeros_like(maps[0])
    order = sorted(range(len(maps)), key=lambda place: -int((maps[place] > 0).sum()))
    for place in order:
        if maps[place].shape != numbers.shape:
            raise UnreadableFile(f"{paths[place]} has another size than {paths[0]}.")
        numbers[maps[place] > 0] = place + 1
    return numbers
