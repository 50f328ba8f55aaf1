"""The target `distance`: the distance of each pixel, in metres."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets import PixelTarget
from candelabra.errors import CandelabraError, UnreadableFile

_PER_METRE = 1000  # steps of a 16-bit PNG; 0 stands for "unknown"


class DistanceMap(tv_tensors.Mask):  # type: ignore[misc] # torchvision has no types
    """A class of its own, so that torchvision fills borders with NaN instead of the 255 of class masks."""


@dataclass(frozen=True)
class DistanceTarget(PixelTarget):
    """Distance: (H, W) float32 metres, NaN where unknown; files are 16-bit PNG (0 is unknown) or NPY.

    Args:
        per_metre: values of a PNG that make a metre.
    """

    name: ClassVar[str] = "distance"
    fields: ClassVar[tuple[str, ...]] = ("distance",)
    dtype: ClassVar[torch.dtype] = torch.float32
    unlabelled: ClassVar[float] = float("nan")
    tensor_class: ClassVar[type[tv_tensors.Mask]] = DistanceMap

    per_metre: float = _PER_METRE

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        try:
            if raw.startswith(b"\x93NUMPY"):
                return torch.from_numpy(np.load(io.BytesIO(raw), allow_pickle=False).astype(np.float32))
            with Image.open(io.BytesIO(raw)) as image:
                values = np.array(image, np.float32)
        except (OSError, ValueError) as error:
            raise UnreadableFile(f"{name} is no distance map ({error}).") from error
        if values.ndim != 2:
            raise UnreadableFile(f"{name} is no distance map: it has colours.")
        return torch.from_numpy(np.where(values == 0, np.nan, values / self.per_metre).astype(np.float32))

    def encode_map(self, value: Tensor) -> bytes:
        steps = (value.as_subclass(Tensor).nan_to_num(0) * self.per_metre).round().clamp(0, 65535)
        made = io.BytesIO()
        Image.fromarray(steps.numpy().astype(np.uint16)).save(made, "PNG")
        return made.getvalue()

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        """Near is red, far is blue; half transparent."""
        from matplotlib import colormaps

        known = ~value.isnan()
        if not known.any():
            return picture
        low, high = value[known].min(), value[known].max()
        shares = ((value - low) / (high - low).clamp(min=1e-6)).nan_to_num(0).numpy()
        colours = colormaps["turbo_r"](shares)[..., :3] * 255
        pixels = np.asarray(picture, np.float32)
        mixed = np.where(known.numpy()[..., None], 0.4 * pixels + 0.6 * colours, pixels)
        return Image.fromarray(mixed.astype(np.uint8))

    @classmethod
    def example(cls, size: tuple[int, int], rng: np.random.Generator) -> tuple[Self, Tensor]:
        low, high = rng.uniform(1, 2), rng.uniform(5, 9)
        rows, columns = np.meshgrid(*(np.linspace(0, 1, side) for side in size), indexing="ij")
        steps = np.round((low + (high - low) * (rows + columns) / 2) * _PER_METRE)
        value = torch.from_numpy((steps / _PER_METRE).astype(np.float32))
        value[: size[0] // 10] = torch.nan
        return cls(), value

    def to_plain(self) -> dict[str, Any]:
        return {"per_metre": self.per_metre}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        if set(plain) - {"per_metre"} or not float(plain.get("per_metre", 1)) > 0:
            raise CandelabraError(f"{where}: distance takes per_metre, a number above 0, but has {dict(plain)}.")
        return cls(float(plain.get("per_metre", _PER_METRE)))
