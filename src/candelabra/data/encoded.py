"""Samples that are encoded images inside larger files: tar shards, Arrow tables, chunks."""

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from candelabra.data.images import Unreadable
from candelabra.data.oddities import Oddity, Treatment
from candelabra.data.said import Columns
from candelabra.data.samples import Samples, as_tensor, digest, sample
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, UNLABELLED, Labels, Sample

VERIFIED = 20_000  # images whose headers are looked at, where that takes no network


class Contents(NamedTuple):
    """What a source holds of one sample: encoded files."""

    image: bytes
    mask: bytes | None = None


class Source(ABC):
    """Where images and masks are.

    Attributes:
        near: on a disk of this machine, so that reading some of it costs little.
    """

    near: bool = True

    @abstractmethod
    def read(self, index: int) -> Contents:
        """The files of one sample.

        Raises:
            Unreadable: they cannot be got.
        """


@dataclass(eq=False)
class Encoded(Samples):
    """A source of encoded images, and columns of labels as `Records` has them.

    Args:
        source: of images and masks.
        names: of the samples.
        labels: what is labelled.
        published: train, val, test or "" for each.
        label, box, keypoints: see `Records`.
        masked: (n,) bool, which samples have a mask; its values are class indices, 255 for none.
        oddities: see `Samples`.
    """

    source: Source
    names: Sequence[str]
    labels: Labels
    published: NDArray[np.str_]
    label: NDArray[np.int64] | NDArray[np.float32] | None
    box: NDArray[np.float32] | None
    keypoints: NDArray[np.float32] | None
    masked: NDArray[np.bool_] | None
    oddities: Sequence[Oddity] = ()

    def __post_init__(self) -> None:
        single = self.label is not None and self.label.ndim == 1
        self.strata = (
            self.label.astype(np.int64) if single and self.label is not None else np.zeros(len(self), np.int64)
        )

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        contents = self.source.read(index)
        image = as_tensor(decode(contents.image, self.names[index]))
        return sample(
            image,
            None if self.label is None else torch.from_numpy(np.asarray(self.label[index])),
            None if self.box is None else torch.from_numpy(self.box[index]),
            None if self.keypoints is None else torch.from_numpy(self.keypoints[index]),
            None if self.masked is None else self._mask(index, contents.mask, (image.shape[-2], image.shape[-1])),
        )

    def _mask(self, index: int, raw: bytes | None, size: tuple[int, int]) -> torch.Tensor:
        """One of another size than its image teaches nothing, see `inspect`."""
        values = None if raw is None else decode_mask(raw, self.names[index])
        if values is None or values.shape != size:
            return torch.full(size, IGNORED, dtype=torch.uint8)
        return as_tensor(np.where(values < len(self.labels.mask_classes), values, IGNORED).astype(np.uint8))

    def original(self, index: int) -> bytes | None:
        return self.source.read(index).image

    def digest(self, index: int) -> bytes:
        contents = self.source.read(index)
        columns = (self.label, self.box, self.keypoints)
        mask = contents.mask if self.masked is not None else None
        return digest(contents.image, *(None if column is None else column[index] for column in columns), mask)

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        known: dict[str, Any] = {}
        if self.label is not None:
            rows = self.label.reshape(len(self), -1)
            known["label"] = ((rows != UNLABELLED) & ~np.isnan(rows)).all(axis=1)
        if self.box is not None:
            known["box"] = ~np.isnan(self.box).any(axis=1)
        if self.keypoints is not None:
            known["keypoints"] = ~np.isnan(self.keypoints).all(axis=(1, 2))
        if self.masked is not None:
            known["mask"] = self.masked
        return known

    def verify(self) -> Mapping[int, str]:
        if not self.source.near:
            return {}
        looked = np.linspace(0, len(self) - 1, min(len(self), VERIFIED)).astype(int)
        return {int(index): problem for index in looked if (problem := self._problem(int(index)))}

    def _problem(self, index: int) -> str | None:
        try:
            _open(self.source.read(index).image, self.names[index]).close()
        except Unreadable as error:
            return str(error)
        return None

    def inspect(self, index: int) -> Sequence[Oddity]:
        name = self.names[index]
        try:
            contents = self.source.read(index)
            size = decode(contents.image, name).shape[:2]
            mask = None if contents.mask is None else decode_mask(contents.mask, name)
        except Unreadable as error:
            return [Oddity(name, "unreadable", Treatment.SKIPPED, str(error))]
        found = []
        if mask is not None and mask.shape != size:
            words = f"{mask.shape[1]} x {mask.shape[0]} pixels, the image {size[1]} x {size[0]}"
            found.append(Oddity(name, "mask of another size", Treatment.UNLABELLED, words))
        elif mask is not None:
            strange = sorted(set(np.unique(mask).tolist()) - {IGNORED, *range(len(self.labels.mask_classes))})
            if strange:
                found.append(Oddity(name, "mask has values that are no class", Treatment.UNLABELLED, str(strange[:10])))
        return found


def encoded(
    source: Source,
    columns: Columns,
    published: Sequence[str] | NDArray[np.str_],
    masked: Sequence[bool] | NDArray[np.bool_],
    given: Labels,
    oddities: Sequence[Oddity] = (),
) -> Encoded:
    """Samples of a source and what they say of themselves.

    Args:
        source: of images and masks.
        columns: of labels.
        published: train, val, test or "" for each.
        masked: which samples have a mask; used where `given` names its classes.
        given: the words that are known, such as the names of classes.
        oddities: that were found before.

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
    odd = [*oddities, *columns.oddities]
    return Encoded(source, columns.names, labels, np.array(published, "<U5"), label, box, points, masks, odd)


def decode(raw: bytes, name: str) -> NDArray[np.uint8]:
    """An encoded image -> (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Raises:
        Unreadable: it is no readable image.
    """
    with _open(raw, name) as image:
        try:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise Unreadable(f"{name} cannot be read as an image ({error}).") from error


def decode_mask(raw: bytes, name: str) -> NDArray[np.uint8]:
    """An encoded mask -> (H, W) uint8, the values it holds.

    Raises:
        Unreadable: it is no readable image of one number a pixel.
    """
    with _open(raw, name) as image:
        if image.mode not in ("L", "P", "1"):
            raise Unreadable(
                f"The mask of {name} has mode {image.mode}; a mask holds one number a pixel (mode L or P)."
            )
        try:
            return np.asarray(image, dtype=np.uint8)
        except (OSError, SyntaxError, ValueError) as error:
            raise Unreadable(f"The mask of {name} cannot be read ({error}).") from error


def _open(raw: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(raw))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{name} cannot be read as an image ({str(error).split(' <_io')[0]}).") from error
