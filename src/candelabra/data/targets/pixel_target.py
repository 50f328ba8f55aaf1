"""What targets of pixels share: a map as large as the image, with a value for "not labelled"."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.decoding.image_files import choose_divisor
from candelabra.data.targets.geometry import Part, ResizeGeometry, Size
from candelabra.data.targets.target import Target


class PixelTarget(Target):
    """A map (H, W) of one number a pixel; all resampling takes the nearest pixel, as numbers must not be mixed.

    Attributes:
        dtype: of the map.
        unlabelled: the value of a pixel that nobody labelled.
        tensor_class: a `tv_tensors` class of maps; torchvision fills by it, so each `unlabelled` needs its own.
    """

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
        """Which pixels are labelled: bool, in the shape of the values."""
        return values == values if self.unlabelled != self.unlabelled else values != self.unlabelled

    def wrap(self, value: Tensor, size: Size) -> Tensor:
        wrapped: Tensor = self.tensor_class(value)
        return wrapped

    @property
    def fill(self) -> Mapping[type, float]:
        return {self.tensor_class: self.unlabelled}

    def crop_and_resize(self, value: Tensor, part: Part, size: Size) -> Tensor:
        top, left, height, width = part
        cut = value.as_subclass(Tensor)[..., top : top + height, left : left + width]
        return self.wrap(F.interpolate(cut[None, None], size, mode="nearest")[0, 0], size)

    def mirror(self, value: Tensor) -> Tensor:
        mirrored: Tensor = functional.horizontal_flip(value)
        return mirrored

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        """The map in the pixels of the image, unlabelled where the model did not see it.

        The map of a huge image comes as small as that image is decoded; see `choose_divisor`.
        """
        (height, width), (top, left) = geometry.scaled, geometry.corner
        whole = torch.full(geometry.scaled, self.unlabelled, dtype=value.dtype)
        rows = slice(max(top, 0), min(top + height, geometry.size[0]))
        columns = slice(max(left, 0), min(left + width, geometry.size[1]))
        whole[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = value[rows, columns]
        scale = choose_divisor(*geometry.original[::-1])
        shape = (-(-geometry.original[1] // scale), -(-geometry.original[0] // scale))
        return resize_map(whole, shape)

    def resize_batch(self, values: Tensor, old: Size, new: Size) -> Tensor:
        return F.interpolate(values[:, None], new, mode="nearest-exact")[:, 0]

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        return resize_map(value.to(self.dtype), (size[1], size[0]))


def resize_map(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """A map (H, W) at (width, height) = `shape`, by the nearest pixel."""
    resized = Image.fromarray(np.ascontiguousarray(values.numpy())).resize(shape, Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(resized))
