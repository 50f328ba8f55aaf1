"""The target `normals`: the direction in which the surface at every pixel faces."""

import io
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.targets.vector_map import VectorMapTarget
from candelabra.types import Size

_LEAST = 0.1  # of the length of a normal; shorter ones are unknown


@dataclass(frozen=True)
class NormalsTarget(VectorMapTarget):
    """A surface normal a pixel: (3, H, W) float32 of length 1, NaN where unknown.

    The first channel points to the right; the others are what the files say. Files are NPY, or pictures of three
    channels of 8 bits, 0 to 255 standing for -1 to 1, in which black is unknown.
    """

    name: ClassVar[str] = "normals"
    position: ClassVar[int] = 7
    fields: ClassVar[tuple[str, ...]] = ("normals", "normal")
    channels: ClassVar[int] = 3

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        vectors = super().decode_map(raw, name)
        length = vectors.norm(dim=0)
        scaled = torch.where((length - 1).abs() < 1e-5, vectors, vectors / length)  # what has length 1 stays as it is
        return torch.where(length >= _LEAST, scaled, torch.nan)

    def decode_file(self, raw: bytes) -> NDArray[Any]:
        with Image.open(io.BytesIO(raw)) as image:
            if image.mode != "RGB":
                raise ValueError(f"it is {image.mode}, not RGB")
            pixels = np.asarray(image, np.float32)
        return np.where(pixels.any(2, keepdims=True), pixels / 127.5 - 1, np.nan)

    def paint(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return ((vectors + 1) / 2).astype(np.float32)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        slope = rng.uniform(0.3, 0.5, 2)
        rows, columns = np.meshgrid(*(np.linspace(0.5, 1, side) for side in size), indexing="ij")
        steep = torch.from_numpy(np.stack([slope[0] * columns, slope[1] * rows, np.ones(size)])).float()
        value = steep / steep.norm(dim=0)
        value[:, : size[0] // 10] = torch.nan
        return cls(), value
