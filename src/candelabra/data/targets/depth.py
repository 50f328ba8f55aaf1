"""The target `depth`: one number for every pixel, such as a distance or a height."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets.pixel_target import PixelTarget
from candelabra.errors import CandelabraError, UnreadableFile, list_nearest
from candelabra.results import summarize_map
from candelabra.types import Size

_LARGEST = 65535  # of a 16-bit PNG; 0 stands for "unknown"
_ROUGHLY = 60_000  # steps to use of these, so that an offset can be a round number


class DepthMap(tv_tensors.Mask):  # type: ignore[misc] # torchvision has no types
    """A class of its own, so that torchvision fills borders with NaN instead of the 255 of class masks."""


@dataclass(frozen=True)
class DepthTarget(PixelTarget):
    """A number a pixel: (H, W) float32, NaN where unknown.

    Files are 16-bit PNG or TIFF, whose 0 is unknown, float TIFF or NPY. Whole numbers stand for
    `number * scale + offset`; floats stand for themselves.

    Args:
        scale: of a step of whole numbers, above 0: 0.001 for millimetres read as metres.
        offset: of the number 0.
    """

    name: ClassVar[str] = "depth"
    position: ClassVar[int] = 6
    fields: ClassVar[tuple[str, ...]] = ("depth",)
    hub_columns: ClassVar[tuple[str, ...]] = ("depth", "depth_map")
    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "paste"
    dtype: ClassVar[torch.dtype] = torch.float32
    unlabelled: ClassVar[float] = float("nan")
    tensor_class: ClassVar[type[tv_tensors.Mask]] = DepthMap

    scale: float = 0.001
    offset: float = 0.0

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        try:
            if raw.startswith(b"\x93NUMPY"):
                values = np.load(io.BytesIO(raw), allow_pickle=False)
            else:
                with Image.open(io.BytesIO(raw)) as image:
                    if image.mode in ("P", "1"):
                        raise UnreadableFile(f"{name} is no depth map: it has a palette.")
                    values = np.array(image)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableFile(f"{name} is no depth map ({error}).") from error
        if values.ndim != 2 or values.dtype.kind not in "uif":
            raise UnreadableFile(f"{name} is no depth map: it holds {values.dtype} in the shape {values.shape}.")
        if values.dtype.kind == "f":
            found = np.where(np.isfinite(values), values, np.nan)
        else:
            found = np.where(values == 0, np.nan, values * float(self.scale) + self.offset)
        return torch.from_numpy(found.astype(np.float32))

    def encode_map(self, value: Tensor) -> bytes:
        steps = self._count_steps(value)
        if steps is None:
            known = value[self.known(value)]
            low, high = float(known.min()), float(known.max())
            scale, offset = self._fit_range(low, high)
            raise CandelabraError(
                f"{self.name} from {low:.6g} to {high:.6g} does not fit a PNG of 16 bits at a scale of {self.scale} "
                f"and an offset of {self.offset}: it holds {self.offset + self.scale:.6g} to "
                f"{self.offset + _LARGEST * self.scale:.6g}. Give others that fit all {self.name} maps; for this one, "
                f"'data.words={{depth_scale:{scale:.10g},depth_offset:{offset:.10g}}}'."
            )
        made = io.BytesIO()
        Image.fromarray(steps).save(made, "PNG")
        return made.getvalue()

    def _fit_range(self, low: float, high: float) -> tuple[float, float]:
        """A scale and an offset at which a PNG holds all numbers from low to high: this scale if it will do."""
        least, scale = min(low, 0.0), self.scale
        if high - least > _ROUGHLY * scale:
            scale = 10.0 ** math.ceil(math.log10((high - least) / _ROUGHLY))
        return scale, math.floor(least / scale / 100 - 0.01) * 100 * scale if low <= 0 else 0.0

    def _count_steps(self, value: Tensor) -> Any:
        """(H, W) uint16 as in a PNG; null where a value is out of its range."""
        plain = value.as_subclass(Tensor).double().numpy()
        steps = np.round((plain - self.offset) / self.scale)
        known = np.isfinite(plain)
        inside = (steps > -0.5) & (steps < _LARGEST + 0.5)
        return np.where(known, steps.clip(1), 0).astype(np.uint16) if inside[known].all() else None

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes depths/<name>.png, 16-bit at `scale` and `offset`; where values do not fit these, <name>.npy."""
        fits = self._count_steps(value) is not None
        path = folder / f"{self.name}s" / f"{name}{'.png' if fits else '.npy'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if fits:
            path.write_bytes(self.encode_map(value))
        else:
            np.save(path, value.as_subclass(Tensor).numpy())

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        """Small numbers are red, large ones blue; `caption` says which these are."""
        from matplotlib import colormaps

        known = self.known(value)
        if not known.any():
            return picture
        low, high = value[known].min(), value[known].max()
        shares = ((value - low) / (high - low).clamp(min=1e-6)).nan_to_num(0).numpy()
        colours = colormaps["turbo_r"](shares)[..., :3] * 255
        pixels = np.asarray(picture, np.float32)
        mixed = np.where(known.numpy()[..., None], 0.3 * pixels + 0.7 * colours, pixels)
        return Image.fromarray(mixed.astype(np.uint8))

    def caption(self, value: Tensor) -> str:
        """The least and the largest number, which are the ends of the colour scale."""
        known = value[self.known(value)]
        return f"{self.name} {known.min():.3g} to {known.max():.3g}" if len(known) else ""

    def to_json_result(self, value: Tensor) -> Any:
        return summarize_map(value.as_subclass(Tensor).numpy())

    @classmethod
    def example(cls, size: Size, rng: np.random.Generator) -> tuple[Self, Tensor]:
        low, high = rng.uniform(1, 2), rng.uniform(5, 9)
        rows, columns = np.meshgrid(*(np.linspace(0, 1, side) for side in size), indexing="ij")
        steps = np.round((low + (high - low) * (rows + columns) / 2) / cls.scale)
        value = torch.from_numpy((steps * cls.scale).astype(np.float32))
        value[: size[0] // 10] = torch.nan
        return cls(), value

    def to_plain(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        fields = {"scale": cls.scale, "offset": cls.offset}
        for key, value in plain.items():
            if key not in fields:
                raise CandelabraError(
                    f"{where}: {cls.name} has no {key!r}; allowed are {list_nearest(str(key), list(fields))}."
                )
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not number or (key == "scale" and value <= 0):
                raise CandelabraError(
                    f"{where}: {cls.name}_{key}={value!r} must be a number{' above 0' * (key == 'scale')}."
                )
            fields[key] = float(value)
        return cls(**fields)

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`pixels` counts pixels that are known."""
        return {"pixels": np.array([int(self.known(value).sum())])}
