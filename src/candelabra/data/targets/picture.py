"""What a head learns from the images themselves: the picture that the model was given; no data set labels it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from candelabra.data.targets.geometry import ResizeGeometry
from candelabra.data.targets.target import Target
from candelabra.types import Size

_GREY = 128  # of what the model did not see


@dataclass(frozen=True)
class PictureTarget(Target):
    """The image of a sample (3, H, W), uint8 or float in [0, 1]; predictions are 0 to 255.

    It has no name of its own: `rename` gives it the key of images in batches. An image of one colour all over says
    nothing, so it is not labelled; such are the grey ones that stand in for unreadable files.
    """

    def missing(self, size: Size) -> Tensor:
        return torch.full((3, *size), 0.5)

    def is_labelled(self, values: Tensor) -> Tensor:
        rows = values.flatten(1)
        return (rows != rows[:, :1]).any(1)

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        """The picture in the pixels of the original image, grey where the model did not see it."""
        (height, width), (top, left) = geometry.scaled, geometry.corner
        whole = torch.full((3, height, width), float(_GREY))
        rows = slice(max(top, 0), min(top + height, geometry.size[0]))
        columns = slice(max(left, 0), min(left + width, geometry.size[1]))
        seen = value[:, rows, columns].float()
        whole[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = seen
        return self._resize(whole, geometry.original)

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        return self._resize(value.float(), size)

    def _resize(self, value: Tensor, size: Size) -> Tensor:
        return F.interpolate(value[None], size, mode="bilinear", align_corners=False)[0].round().clamp(0, 255)

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        return Image.fromarray(self.to_result(value)).resize(picture.size)

    def to_result(self, value: Tensor) -> NDArray[np.uint8]:
        """(H, W, 3)."""
        pixels: NDArray[np.uint8] = value.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        return pixels

    def to_json_result(self, value: Tensor) -> Mapping[str, Any]:
        return {"height": value.shape[1], "width": value.shape[2]}

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes reconstructions/<name>.png."""
        path = folder / "reconstructions" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.to_result(value)).save(path)

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        return cls(), torch.from_numpy(rng.random((3, *size), dtype=np.float32))
