"""Maps of evidence in the pixels of the original image."""

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.data.decoding.covered_region import find_covered_region
from candelabra.data.targets import ResizeGeometry
from candelabra.types import Size


def restore_map(heat: Tensor, geometry: ResizeGeometry, size: Size | None = None) -> Tensor:
    """A map of what the model sees in the pixels of the image, between the centres of its cells.

    A cell of a 7 x 7 map covers a seventh of the side, and its value stands at the middle of that: upsampling that
    puts the first cell's value on the first pixel would shift the map by half a cell.

    Args:
        heat: (h, w).
        geometry: where the image lies in what the model sees.
        size: (H, W) of a picture of the whole image; null for its own.

    Returns:
        (H, W) float32, NaN where the model saw nothing of the image.
    """
    size = size or geometry.original
    region = geometry.region or find_covered_region(geometry.original, geometry.original)
    starts, extents = region.corner[::-1], region.extent[::-1]
    places = []
    for axis in (0, 1):
        file = (torch.arange(size[axis]) + 0.5) * (geometry.original[axis] / size[axis])
        seen = (file - starts[axis]) * (geometry.scaled[axis] / extents[axis]) + geometry.corner[axis]
        places.append(2 * seen / geometry.size[axis] - 1)  # -1 and 1 are the edges of what the model sees
    rows, columns = torch.meshgrid(*places, indexing="ij")
    grid = torch.stack([columns, rows], -1)[None]
    values = F.grid_sample(heat[None, None].float(), grid, padding_mode="border", align_corners=False)[0, 0]
    outside = (rows.abs() > 1) | (columns.abs() > 1)
    return values.masked_fill(outside, torch.nan)
