"""Samples that are files: one row an image, one column a target. Every file format is read into this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from candelabra.data.images import Unreadable, read_bytes, read_image, read_mask, size_of
from candelabra.data.samples import Samples, as_tensor, digest, sample
from candelabra.errors import CandelabraError
from candelabra.types import IGNORED, UNLABELLED, Labels, Sample

VERIFIED = 20_000  # files; of a larger set, so many are looked at


@dataclass(eq=False)
class Records(Samples):
    """A table of images and their labels, all in pixels of the original image.

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

    def __post_init__(self) -> None:
        single = self.label is not None and self.label.ndim == 1
        self.strata = (
            self.label.astype(np.int64) if single and self.label is not None else np.zeros(len(self), np.int64)
        )

    def load(self, index: int, least: tuple[int, int] | None = None) -> Sample:
        path = self.root / self.names[index]
        pixels = read_image(path, least)
        # Pillow's own memory cannot be written to; what was decoded for us alone needs no copy.
        image = torch.from_numpy(pixels).permute(2, 0, 1) if pixels.flags.writeable else as_tensor(pixels)
        height, width = image.shape[-2:]
        placed = self.box is not None or self.keypoints is not None
        scale = _scale((height, width), path) if placed and least is not None else None
        return sample(
            image,
            None if self.label is None else torch.from_numpy(np.asarray(self.label[index])),
            None if self.box is None else _scaled(self.box[index].reshape(2, 2), scale),
            None if self.keypoints is None else _scaled(self.keypoints[index], scale),
            None if self.masks is None else self._mask(index, (height, width)),
        )

    def _mask(self, index: int, size: tuple[int, int]) -> torch.Tensor:
        assert self.masks is not None
        assert self.meaning is not None
        if not self.masks[index]:
            return torch.full(size, IGNORED, dtype=torch.uint8)
        return as_tensor(nearest(read_mask(self.root / self.masks[index], self.meaning), size))

    def digest(self, index: int) -> bytes:
        mask = self.masks[index] if self.masks is not None else None
        return digest(
            read_bytes(self.root / self.names[index]),
            *(None if column is None else column[index] for column in (self.label, self.box, self.keypoints)),
            read_bytes(self.root / mask) if mask else mask,
            self.meaning,
        )

    def labelled(self) -> Mapping[str, NDArray[np.bool_]]:
        known: dict[str, Any] = {}
        if self.label is not None:
            rows = self.label.reshape(len(self), -1).astype(np.float64)
            known["label"] = np.logical_and(rows != UNLABELLED, ~np.isnan(rows)).all(axis=1)
        if self.box is not None:
            known["box"] = np.logical_not(np.isnan(self.box).any(axis=1))
        if self.keypoints is not None:
            known["keypoints"] = np.logical_not(np.isnan(self.keypoints).all(axis=(1, 2)))
        if self.masks is not None:
            known["mask"] = np.array([bool(path) for path in self.masks])
        return known

    def verify(self) -> Mapping[int, str]:
        if not self.names:
            raise CandelabraError(f"There is no image in {self.root}; give another folder with data.root=<folder>.")
        looked = np.linspace(0, len(self) - 1, min(len(self), VERIFIED)).astype(int)
        return {int(index): problem for index in looked if (problem := self._problem(int(index)))}

    def _problem(self, index: int) -> str | None:
        path = self.root / self.names[index]
        try:
            image = size_of(path)
            mask = size_of(self.root / self.masks[index]) if self.masks and self.masks[index] else image
        except Unreadable as error:
            return str(error)
        if image != mask:
            return f"its mask is {mask[0]} x {mask[1]} pixels, the image {image[0]} x {image[1]}"
        return None


def nearest(mask: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask at another (H, W): for the middle of each new pixel the old one that it falls into.

    >>> nearest(np.arange(16, dtype=np.uint8).reshape(4, 4), (2, 2)).tolist()
    [[5, 7], [13, 15]]
    """
    if mask.shape == size:
        return mask
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int) for old, new in zip(mask.shape, size, strict=True)
    )
    smaller: NDArray[np.uint8] = mask[rows[:, None], columns]
    return smaller


def _scale(size: tuple[int, int], path: Path) -> NDArray[np.float32] | None:
    """(x, y) factors from pixels of the file to those of an image read at (H, W) = `size`; null where they are one."""
    width, height = size_of(path)
    return None if (height, width) == size else np.array([size[1] / width, size[0] / height], np.float32)


def _scaled(points: NDArray[np.float32], scale: NDArray[np.float32] | None) -> torch.Tensor:
    return torch.from_numpy(points if scale is None else points * scale)
