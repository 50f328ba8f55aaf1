"""The target `flow`: where every pixel goes."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.targets.vector_map import VectorMapTarget
from candelabra.types import Size

_MAGIC = np.float32(202021.25)  # of Middlebury's files, "PIEH"
_MOST = 1e9  # pixels; more stands for unknown there


@dataclass(frozen=True)
class FlowTarget(VectorMapTarget):
    """A displacement a pixel: (2, H, W) float32, to the right and down, in pixels of the map; NaN where unknown.

    Where an image is resized, its vectors are. Files are NPY, or Middlebury's .flo (Baker et al. 2011).
    """

    name: ClassVar[str] = "flow"
    position: ClassVar[int] = 8
    fields: ClassVar[tuple[str, ...]] = ("flow",)
    channels: ClassVar[int] = 2

    def scale_values(self, values: Tensor, factors: tuple[float, float]) -> Tensor:
        return values if factors == (1, 1) else values * values.new_tensor(factors[::-1])[:, None, None]

    def decode_file(self, raw: bytes) -> NDArray[Any]:
        if len(raw) < 12 or np.frombuffer(raw, "<f4", 1)[0] != _MAGIC:
            raise ValueError("it is neither NPY nor .flo")
        width, height = (int(side) for side in np.frombuffer(raw, "<i4", 2, 4))
        if min(width, height) < 1 or len(raw) < 12 + 8 * width * height:
            raise ValueError(f"it is too short for {width} x {height} pixels")
        vectors = np.frombuffer(raw, "<f4", 2 * width * height, 12).reshape(height, width, 2)
        return np.where(np.abs(vectors) < _MOST, vectors, np.nan)

    def paint(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The direction is a hue, red to the right; the length, in shares of the longest, is how full the colour is."""
        from matplotlib.colors import hsv_to_rgb

        length = np.hypot(*np.moveaxis(vectors, 2, 0))
        hue = np.arctan2(vectors[..., 1], vectors[..., 0]) / (2 * np.pi) % 1
        colours: NDArray[np.float32] = hsv_to_rgb(
            np.stack([hue, length / max(float(length.max()), 1e-6), np.ones_like(hue)], 2)
        )
        return colours

    def caption(self, value: Tensor) -> str:
        """The longest vector, in pixels of the map."""
        length = value.norm(dim=0)[self.known(value)]
        return f"{self.name} up to {length.max():.3g} px" if len(length) else ""

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        low, high = rng.uniform(1, 2), rng.uniform(5, 9)
        rows, columns = np.meshgrid(*(np.linspace(low, high, side) for side in size), indexing="ij")
        value = torch.from_numpy(np.stack([columns, rows])).float()
        value[:, : size[0] // 10] = torch.nan
        return cls(), value
