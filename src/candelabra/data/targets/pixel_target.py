"""What targets of pixels share: a map as large as the image, with a value for "not labelled"."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.decoding.covered_region import CoveredRegion, find_covered_region
from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.issues import DataIssue
from candelabra.data.targets.column import TargetColumn
from candelabra.data.targets.geometry import Part, ResizeGeometry
from candelabra.data.targets.map_files import EncodedMapColumn, MapFileColumn, resize_map
from candelabra.data.targets.target import Target
from candelabra.types import Size


class PixelTarget(Target):
    """A map (H, W) of one number a pixel, or (C, H, W) of several.

    All resampling takes the nearest pixel, as numbers must not be mixed.

    Attributes:
        dtype: of the map.
        unlabelled: the value of a pixel that nobody labelled.
        tensor_class: a `tv_tensors` class of maps; torchvision fills by it, so each `unlabelled` needs its own.
    """

    placed: ClassVar[bool] = True
    layer: ClassVar[int] = 0
    in_files: ClassVar[bool] = True
    dtype: ClassVar[torch.dtype]
    unlabelled: ClassVar[float]
    tensor_class: ClassVar[type[tv_tensors.Mask]]

    def missing(self, size: Size) -> Tensor:
        return torch.full(size, self.unlabelled, dtype=self.dtype)

    def is_labelled(self, values: Tensor) -> Tensor:
        known: Tensor = self.known(values).flatten(1).any(1)
        return known

    def known(self, values: Tensor) -> Tensor:
        """Which pixels are labelled: bool (..., H, W)."""
        return values == values if self.unlabelled != self.unlabelled else values != self.unlabelled

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        wrapped: Tensor = self.tensor_class(value)
        return wrapped

    @property
    def fill(self) -> Mapping[type, float]:
        return {self.tensor_class: self.unlabelled}

    def scale_values(self, values: Tensor, factors: tuple[float, float]) -> Tensor:
        """Maps (..., H, W) after their images became `factors` (rows, columns) times as large.

        They differ from the given ones where numbers count pixels.
        """
        return values

    def decode_map(self, raw: bytes, name: str) -> Tensor:
        """The map (H, W) in the bytes of a file.

        Args:
            raw: the file.
            name: of the file, for messages.

        Raises:
            UnreadableFile: it is none.
        """
        raise NotImplementedError

    def encode_map(self, value: Tensor) -> bytes:
        """A map (H, W) as the bytes of a file that `decode_map` reads."""
        raise NotImplementedError

    def save_prediction(self, value: Tensor, folder: Path, name: str, size: Size) -> None:
        """Writes a prediction as <target>s/<name>.png."""
        path = folder / f"{self.name}s" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.encode_map(value))

    def to_json_result(self, value: Tensor) -> Any:
        return {"height": value.shape[0], "width": value.shape[1]}

    def table_header(self) -> list[str]:
        return [self.name]

    def table_cells(self, value: Any, file: str) -> list[Any]:
        return [file]

    def to_file(self, value: Tensor) -> bytes | None:
        return self.encode_map(value) if bool(self.known(value).any()) else None

    @classmethod
    def read_table(cls, table: Any, root: Path, described: Self | None, issues: list[DataIssue]) -> TargetColumn | None:
        if cls.name not in table:
            return None
        return MapFileColumn(described or cls(), root, table[cls.name].fillna("").astype(str).tolist())

    @classmethod
    def read_files(cls, present: NDArray[np.bool_], described: Self | None) -> TargetColumn | None:
        return EncodedMapColumn(described or cls(), present) if present.any() or described is not None else None

    def crop_and_resize(self, value: Tensor, part: Part, size: Size) -> Tensor:
        top, left, height, width = part
        cut = value.as_subclass(Tensor)[..., top : top + height, left : left + width]
        resized = resize_map(cut, size)
        return self.wrap(self.scale_values(resized, (size[0] / height, size[1] / width)), size)

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        mirrored: Tensor = functional.horizontal_flip(value)
        return mirrored

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        """The map in the pixels of the image, unlabelled where the model did not see it.

        The map of a huge image comes as small as that image is decoded; see `choose_divisor`.
        """
        (height, width), (top, left) = geometry.scaled, geometry.corner
        whole = value.new_full((*value.shape[:-2], *geometry.scaled), self.unlabelled)
        rows = slice(max(top, 0), min(top + height, geometry.size[0]))
        columns = slice(max(left, 0), min(left + width, geometry.size[1]))
        inside = (..., slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        whole[inside] = value[..., rows, columns]
        scale = choose_divisor(*geometry.original[::-1])
        shape = (-(-geometry.original[0] // scale), -(-geometry.original[1] // scale))
        region = geometry.region or find_covered_region(geometry.original, geometry.original)
        (x, y), extent = region.corner, region.extent
        seen = CoveredRegion((-y, shape[0] * scale - y, extent[1]), (-x, shape[1] * scale - x, extent[0]))
        factors = (extent[1] / geometry.scaled[0] / scale, extent[0] / geometry.scaled[1] / scale)
        return self.scale_values(resize_map(whole, shape, seen), factors)

    def resize_batch(self, values: Tensor, old: Size, new: Size) -> Tensor:
        return self.scale_values(resize_map(values, new), (new[0] / old[0], new[1] / old[1]))

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        return resize_map(value.to(self.dtype), size)
