"""Where pictures of any size lie in what an exported model sees, as tensors that exporters can trace."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from candelabra.types import Size


class ViewAxis(NamedTuple):
    """One axis of a view; all but `size` depend on the picture, so they are tensors () int64.

    Args:
        whole: pixels of the picture along this axis.
        scaled: pixels of the scaled picture.
        start: where the scaled picture begins in what the model sees; negative where it is cut off.
        size: pixels that the model sees.
    """

    whole: Tensor
    scaled: Tensor
    start: Tensor
    size: int


class PictureView:
    """Brings what heads find back to the pixels of pictures; the tensor form of `ResizeGeometry`.

    Args:
        rows, columns: the two axes.
        picture: (H, W) of the pictures, as sizes of the traced graph.
    """

    def __init__(self, rows: ViewAxis, columns: ViewAxis, picture: Sequence[int]) -> None:
        self.rows, self.columns, self.picture = rows, columns, picture

    @property
    def size(self) -> Size:
        """(H, W) that the model sees, in pixels."""
        return self.rows.size, self.columns.size

    def restore_points(self, points: Tensor) -> Tensor:
        """Points (..., 2) XY in pixels of what the model sees -> in pixels of the pictures."""
        axes = (self.columns, self.rows)
        start = torch.stack([axis.start for axis in axes]).float()
        scaled = torch.stack([axis.scaled for axis in axes]).float()
        whole = torch.stack([axis.whole for axis in axes]).float()
        return (points - start) / (scaled / whole)

    def restore_boxes(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) XYXY in pixels of what the model sees -> in pixels of the pictures, cut at their borders."""
        corners = self.restore_points(boxes.unflatten(-1, (2, 2))).clamp(min=0)
        edges = torch.stack([self.columns.whole, self.rows.whole]).float()
        return corners.minimum(edges).flatten(-2)

    def restore_map(self, values: Tensor, unlabelled: float) -> Tensor:
        """Maps (N, ..., h, w) of what the model sees -> (N, ..., H, W) of the pictures, by the pixel at each centre.

        Args:
            values: whole numbers, or floats.
            unlabelled: the value where the model did not see the pictures.
        """
        rows, seen_rows = _find_places(self.rows, self.picture[0])
        columns, seen_columns = _find_places(self.columns, self.picture[1])
        found = values if values.is_floating_point() else values.to(torch.int32)
        found = found.index_select(values.ndim - 2, rows).index_select(values.ndim - 1, columns)
        seen = seen_rows[:, None] & seen_columns[None]
        return torch.where(seen, found, unlabelled).to(values.dtype)


def _find_places(axis: ViewAxis, length: int) -> tuple[Tensor, Tensor]:
    """For each of `length` pixels of a picture, which one of those seen lies at its centre, and whether any does.

    The rule is that of `find_nearest_pixels`.
    """
    numbers = torch.arange(length)
    product, divisor = (2 * numbers + 1) * axis.scaled, 2 * axis.whole
    places = product // divisor
    between = (product - places * divisor == 0) & (numbers % 2 == 0)
    places = (places - between.long()).clamp(min=0).minimum(axis.scaled - 1) + axis.start
    return places.clamp(0, axis.size - 1), (places >= 0) & (places < axis.size)
