"""What targets share that have a vector at every pixel."""

import io
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from candelabra.data.targets.depth import DepthMap
from candelabra.data.targets.pixel_target import PixelTarget
from candelabra.errors import UnreadableFile
from candelabra.results import summarize_vectors
from candelabra.types import Size


class VectorMapTarget(PixelTarget):
    """A vector a pixel: (C, H, W) float32, NaN in all channels where unknown; the first channel points to the right.

    So a mirror image has the first channel with its sign changed. Rotation and shear would turn the vectors, so
    augmentation leaves them out. Files are NPY of (H, W, C) or (C, H, W), and what `decode_file` knows.

    Attributes:
        channels: C.
    """

    blend: ClassVar[Literal["mix", "paste", "refuse"]] = "paste"
    upright: ClassVar[bool] = True
    file_suffix: ClassVar[str] = ".npy"
    dtype: ClassVar[torch.dtype] = torch.float32
    unlabelled: ClassVar[float] = float("nan")
    tensor_class: ClassVar[type[tv_tensors.Mask]] = DepthMap
    channels: ClassVar[int]

    @abstractmethod
    def decode_file(self, raw: bytes) -> NDArray[Any]:
        """(H, W, C) numbers in the bytes of a file that is no NPY.

        Raises:
            OSError, ValueError: it is none.
        """

    @abstractmethod
    def paint(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Colours (H, W, 3), 0 to 1, of known vectors (H, W, C)."""

    def missing(self, size: Size) -> Tensor:
        return torch.full((self.channels, *size), torch.nan)

    def known(self, values: Tensor) -> Tensor:
        return values.isfinite().all(-3)

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        return self.wrap(self.mirror_vectors(value.as_subclass(Tensor)), size)

    def mirror_vectors(self, values: Tensor) -> Tensor:
        """Maps (..., C, H, W) of mirror images."""
        signs = values.new_ones(self.channels, 1, 1)
        signs[0] = -1
        return values.flip(-1) * signs

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        numpy = raw.startswith(b"\x93NUMPY")
        try:
            found = np.load(io.BytesIO(raw), allow_pickle=False) if numpy else self.decode_file(raw)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UnreadableFile(f"{name} is no map of {self.name} ({error}).") from error
        if found.ndim == 3 and found.shape[2] != self.channels:
            found = np.moveaxis(found, 0, 2)
        if found.ndim != 3 or found.shape[2] != self.channels or found.dtype.kind not in "uif":
            raise UnreadableFile(
                f"{name} is no map of {self.name}: it holds {found.dtype} in the shape {found.shape}, but it needs "
                f"{self.channels} numbers a pixel."
            )
        numbers = found.astype(np.float32)
        known = np.isfinite(numbers).all(2, keepdims=True)
        return torch.from_numpy(np.where(known, numbers, np.float32("nan")).transpose(2, 0, 1).copy())

    def encode_map(self, value: Tensor) -> bytes:
        """NPY of (H, W, C)."""
        made = io.BytesIO()
        np.save(made, self.to_result(value))
        return made.getvalue()

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes <target>/<name>.npy of (H, W, C), float32, and a picture of it beside."""
        path = folder / self.name / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.encode_map(value))
        black = Image.new("RGB", (value.shape[-1], value.shape[-2]))
        self.draw(black, value).save(path.with_suffix(".png"))

    def to_result(self, value: Tensor) -> NDArray[np.float32]:
        """(H, W, C), NaN where the model did not see the image."""
        vectors: NDArray[np.float32] = value.as_subclass(Tensor).permute(1, 2, 0).contiguous().numpy()
        return vectors

    def to_json_result(self, value: Tensor) -> Any:
        return summarize_vectors(self.to_result(value))

    def draw(self, picture: Image.Image, value: Tensor) -> Image.Image:
        known = self.known(value).numpy()[..., None]
        colours = 255 * self.paint(np.where(known, self.to_result(value), 0))
        pixels = np.asarray(picture, np.float32)
        mixed = np.where(known, 0.2 * pixels + 0.8 * colours, pixels)
        return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))

    def summarize(self, value: Tensor, size: Size) -> Mapping[str, Any]:
        """`pixels` counts pixels that are known."""
        return {"pixels": np.array([int(self.known(value).sum())])}
