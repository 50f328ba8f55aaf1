"""What columns of points share: numbers in memory, in pixels of the file; those outside of the image are not used."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.images import DecodedImage, ImageHeader
from candelabra.data.issues import DataIssue
from candelabra.data.targets.column import TargetColumn

Floats = NDArray[np.float32]


class PointColumn(TargetColumn):
    """Points XY of all samples; a subclass says which of them an image can hold.

    Args:
        values: (n, ...) float32 XY pixels of the file, NaN where not labelled.
    """

    def __init__(self, values: Floats) -> None:
        self.values = values

    @staticmethod
    @abstractmethod
    def clip(values: Floats, sizes: Floats) -> Floats:
        """Values as they are used, NaN where nothing is.

        Args:
            values: (n, ...) of n images.
            sizes: (n, 2) width and height.
        """

    @staticmethod
    @abstractmethod
    def find_issues(given: Floats, used: Floats) -> list[DataIssue]:
        """What `clip` changed in the value of one image."""

    def load(self, index: int, image: DecodedImage, raw: bytes | None = None) -> Tensor:
        value = self.clip(self.values[[index]], np.array([image.size], np.float32))[0]
        return torch.from_numpy(move_to_decoded(value.reshape(-1, 2), image).reshape(value.shape))

    def content(self, index: int) -> tuple[Any, ...]:
        return (self.values[index],)

    def verify(self, images: Mapping[int, ImageHeader]) -> Sequence[tuple[int, DataIssue]]:
        indices = list(images)
        sizes = np.array([images[index].size for index in indices], np.float32).reshape(-1, 2)
        given, self.values = self.values[indices], self.values.copy()
        self.values[indices] = used = self.clip(given, sizes)
        changed = np.flatnonzero(((used != given) & ~np.isnan(given)).any(tuple(range(1, given.ndim))))
        return [(indices[row], each) for row in changed for each in self.find_issues(given[row], used[row])]

    def inspect(self, index: int, image: DecodedImage | None, raw: bytes | None = None) -> Sequence[DataIssue]:
        size = np.array([image.size if image else (np.inf, np.inf)], np.float32)
        return self.find_issues(self.values[index], self.clip(self.values[[index]], size)[0])


def move_to_decoded(points: Floats, image: DecodedImage) -> Floats:
    """Points (K, 2) XY in pixels of a file -> in pixels of the image as it was decoded, which may be smaller."""
    corner, extent = (np.array(each, np.float32) for each in (image.region.corner, image.region.extent))
    scale: Floats = np.array(image.pixels.shape[1::-1], np.float32) / extent
    moved: Floats = np.multiply(points - corner, scale)
    return moved
