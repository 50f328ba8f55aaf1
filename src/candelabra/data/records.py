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
        image = as_tensor(read_image(self.root / self.names[index]))
        return sample(
            image,
            None if self.label is None else torch.from_numpy(np.asarray(self.label[index])),
            None if self.box is None else torch.from_numpy(self.box[index]),
            None if self.keypoints is None else torch.from_numpy(self.keypoints[index]),
            None if self.masks is None else self._mask(index, (image.shape[-2], image.shape[-1])),
        )

    def _mask(self, index: int, size: tuple[int, int]) -> torch.Tensor:
        assert self.masks is not None
        assert self.meaning is not None
        if not self.masks[index]:
            return torch.full(size, IGNORED, dtype=torch.uint8)
        return as_tensor(read_mask(self.root / self.masks[index], self.meaning))

    def original(self, index: int) -> bytes | None:
        return read_bytes(self.root / self.names[index])

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
