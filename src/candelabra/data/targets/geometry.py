"""Places in images: sizes, parts, and where an image lies in what the model sees."""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.covered_region import CoveredRegion, find_covered_region
from candelabra.types import Size

Part = tuple[int, int, int, int]  # top, left, height, width in pixels
MAP_CELLS = 48  # a side of the maps of places that `Target.summarize` makes of an image


class ResizeGeometry(NamedTuple):
    """Where an image lies in what the model sees; `Target.to_original` inverts it.

    Args:
        original: (H, W) of the image.
        scaled: (H, W) of the image after scaling.
        corner: (top, left) of the scaled image in what the model sees; negative where it is cut off.
        size: (H, W) of what the model sees.
        region: what the image covered of its file before it was scaled; null for all of it.
    """

    original: Size
    scaled: Size
    corner: Size
    size: Size
    region: CoveredRegion | None = None


def restore_points(points: Tensor, geometry: ResizeGeometry) -> Tensor:
    """Points (K, 2) XY in pixels of what the model sees -> in pixels of the original image."""
    top, left = geometry.corner
    region = geometry.region or find_covered_region(geometry.original, geometry.original)
    (width, height), start = region.extent, torch.tensor(region.corner, dtype=torch.float32)
    scale = torch.tensor([geometry.scaled[1] / width, geometry.scaled[0] / height])
    return (points - torch.tensor([float(left), float(top)])) / scale + start


def fill_boxes(boxes: Tensor, size: Size) -> Tensor:
    """(H, W) bool, the pixels whose centres lie in one of some boxes (K, 4), XYXY in pixels."""
    rows, columns = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
    inside = ((rows >= top) & (rows < bottom))[:, :, None] & ((columns >= left) & (columns < right))[:, None]
    return inside.any(0)


def find_map_cells(box: NDArray[np.float32], size: Size) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """Where a box lies in the maps of `Target.summarize`.

    Args:
        box: (4,) XYXY in pixels.
        size: (H, W) of the image.

    Returns:
        The rows and columns of the cells that it covers, and its height and width in cells.
    """
    shares = box.reshape(2, 2) / np.array([size[1], size[0]], np.float32)
    (left, top), (right, bottom) = np.clip(shares * MAP_CELLS, 0, MAP_CELLS)
    width, height = np.clip((shares[1] - shares[0]) * MAP_CELLS, 0, MAP_CELLS - 1).astype(int)
    covered = slice(int(top), math.ceil(bottom)), slice(int(left), math.ceil(right))
    return covered, (int(height), int(width))
