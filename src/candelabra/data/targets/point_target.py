"""What targets of points share: rows of X and Y in pixels, NaN where not labelled."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.targets.geometry import Part, ResizeGeometry, restore_points
from candelabra.data.targets.target import Target
from candelabra.types import Size


class PointTarget(Target):
    """A target whose value is a set of points XY in pixels; a subclass says how they are shaped and wrapped."""

    placed: ClassVar[bool] = True
    least_crop: ClassVar[float] = 0.5

    @abstractmethod
    def points(self, value: Tensor) -> Tensor:
        """A value, wrapped or not, as plain points (K, 2)."""

    @abstractmethod
    def from_points(self, points: Tensor) -> Tensor:
        """The plain value of points (K, 2)."""

    def crop_and_resize(self, value: Tensor, part: Part, size: Size) -> Tensor:
        top, left, height, width = part
        scale = torch.tensor([size[1] / width, size[0] / height])
        corner = torch.tensor([left, top], dtype=torch.float32)
        return self.wrap(self.from_points((self.points(value) - corner) * scale), size)

    def mirror(self, value: Tensor, size: Size) -> Tensor:
        mirrored: Tensor = functional.horizontal_flip(value)
        return mirrored

    def to_original(self, value: Tensor, geometry: ResizeGeometry) -> Tensor:
        return self.from_points(restore_points(self.points(value), geometry))

    def resize_batch(self, values: Tensor, old: Size, new: Size) -> Tensor:
        scale = torch.tensor([new[1] / old[1], new[0] / old[0]]).repeat(values.shape[-1] // 2)
        return values * scale.to(values.device, non_blocking=True)  # torch.tensor(..., device=) waits for the GPU

    def enlarge(self, value: Tensor, factor: float, size: Size) -> Tensor:
        return value * factor


def wrap_like(points: Tensor, like: Tensor) -> Tensor:
    """Plain values as the `tv_tensors` class of others."""
    return tv_tensors.wrap(points, like=like) if isinstance(like, tv_tensors.TVTensor) else points
