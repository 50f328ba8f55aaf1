"""Masks of single objects: from the box of a prediction to pixels, and as run lengths of COCO."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.targets.object_rows import CLASS_COLUMN, ROW_WIDTH, clip_rows, compute_areas
from candelabra.results import ObjectMask
from candelabra.types import Size

MASK_SIDE = 28  # cells of the mask of a prediction, along each side of its box
MASK_ROW_WIDTH = ROW_WIDTH + MASK_SIDE**2
_INSIDE = 0.5  # probability


def list_mask_rows(value: Tensor) -> Tensor:
    """Rows (D, MASK_ROW_WIDTH) of a prediction, without those that only fill a batch."""
    plain = value.as_subclass(Tensor)
    return plain[plain[:, CLASS_COLUMN] >= 0]


def paste_mask(row: Tensor) -> ObjectMask:
    """The pixels of a predicted object.

    The mask is sampled at the centres of pixels; torchvision's `paste_masks_in_image` moves boxes to whole pixels.

    Args:
        row: (MASK_ROW_WIDTH,) box, class, score, and the probabilities of the cells of the mask, row by row; the box
            lies in the image.
    """
    left, top, right, bottom = row[:CLASS_COLUMN].tolist()
    places = []
    for low, high in ((top, bottom), (left, right)):
        first = math.floor(low)
        centres = torch.arange(first, math.ceil(high), dtype=torch.float32) + 0.5
        places.append((first, (centres - low) / max(high - low, 1e-6) * 2 - 1))
    (first_row, down), (first_column, across) = places
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"), -1)
    cells = row[ROW_WIDTH:].reshape(1, 1, MASK_SIDE, MASK_SIDE).float().cpu()
    found = F.grid_sample(cells, grid[None], mode="bilinear", padding_mode="border", align_corners=False)[0, 0]
    inside = (found > _INSIDE) & (grid.abs() <= 1).all(-1)
    return ObjectMask(first_row, first_column, inside.numpy())


def encode_run_lengths(inside: NDArray[np.bool_]) -> dict[str, Any]:
    """(H, W) bool -> a compressed RLE as COCO's JSON has it: size [H, W] and counts."""
    from faster_coco_eval.core import mask as coco_masks

    found = coco_masks.encode(np.asfortranarray(inside.astype(np.uint8)[:, :, None]))[0]
    counts = found["counts"]
    return {"size": list(inside.shape), "counts": counts.decode() if isinstance(counts, bytes) else counts}


def number_predictions(rows: Tensor, size: Size) -> NDArray[np.uint16]:
    """(H, W) the place of the object of each pixel among the rows, from 1 on; where several are, of the most certain.

    Args:
        rows: (D, MASK_ROW_WIDTH), the most certain first.
        size: (H, W) of the image.
    """
    numbers = np.zeros(size, np.uint16)
    for place in reversed(range(len(rows))):
        top, left, inside = paste_mask(rows[place])
        part = numbers[top : top + inside.shape[0], left : left + inside.shape[1]]
        part[inside] = place + 1
    return numbers


def clip_masks(rows: Tensor, size: Size) -> Tensor:
    """Rows (D, MASK_ROW_WIDTH) whose boxes are cut at the borders of an image, without those outside.

    Args:
        rows: whose cells are sampled anew where a box is cut, as they are shares of the box.
        size: (H, W) of the image.
    """
    cut = clip_rows(rows[:, :ROW_WIDTH], size)
    changed = (cut[:, :CLASS_COLUMN] != rows[:, :CLASS_COLUMN]).any(1)
    there = compute_areas(cut) > 0
    clipped = torch.cat([cut, rows[:, ROW_WIDTH:]], 1)
    if (changed & there).any():
        clipped[changed & there, ROW_WIDTH:] = _sample_cells(rows[changed & there], cut[changed & there])
    return clipped[there]


def _sample_cells(rows: Tensor, cut: Tensor) -> Tensor:
    """(D, S * S) cells of the boxes in the rows (D, 6) `cut`, each a part of the box in `rows`."""
    old, new = rows[:, :CLASS_COLUMN].reshape(-1, 2, 2), cut[:, :CLASS_COLUMN].reshape(-1, 2, 2)
    shares = (new - old[:, :1]) / (old[:, 1:] - old[:, :1]).clamp(min=1e-6) * 2 - 1  # (D, corner, XY) in -1 to 1
    scale, shift = (shares[:, 1] - shares[:, 0]) / 2, (shares[:, 1] + shares[:, 0]) / 2
    cells = rows[:, ROW_WIDTH:].reshape(-1, 1, MASK_SIDE, MASK_SIDE)
    grid = F.affine_grid(torch.cat([scale.diag_embed(), shift[:, :, None]], 2), list(cells.shape), align_corners=False)
    return F.grid_sample(cells, grid, mode="bilinear", padding_mode="border", align_corners=False).flatten(1)
