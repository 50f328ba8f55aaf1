"""Masks of single objects: from the box of a prediction to pixels, and as run lengths of COCO."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.decoding.mask_cells import MASK_SIDE, paste_cells
from candelabra.data.targets.object_rows import CLASS_COLUMN, ROW_WIDTH, clip_rows, compute_areas
from candelabra.results import ObjectMask
from candelabra.types import Size

MASK_ROW_WIDTH = ROW_WIDTH + MASK_SIDE**2


def list_mask_rows(value: Tensor) -> Tensor:
    """Rows (D, MASK_ROW_WIDTH) of a prediction, without those that only fill a batch."""
    plain = value.as_subclass(Tensor)
    return plain[plain[:, CLASS_COLUMN] >= 0]


def paste_mask(row: Tensor) -> ObjectMask:
    """The pixels of a predicted object.

    Args:
        row: (MASK_ROW_WIDTH,) box, class, score, and the probabilities of the cells of the mask, row by row; the box
            lies in the image.
    """
    return paste_cells(row[:CLASS_COLUMN].tolist(), row[ROW_WIDTH:].float().cpu().numpy())


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
    there = compute_areas(cut) > 0
    return torch.cat([cut, resample_cells(rows, cut)], 1)[there]


def resample_cells(rows: Tensor, cut: Tensor) -> Tensor:
    """(D, S * S) cells of masks, sampled anew where boxes are cut.

    Args:
        rows: (D, MASK_ROW_WIDTH).
        cut: (D, 6 or more) rows with a part of each box; where that is the box itself, its cells stay as they are.
    """
    old, new = rows[:, :CLASS_COLUMN].reshape(-1, 2, 2), cut[:, :CLASS_COLUMN].reshape(-1, 2, 2)
    steps = (torch.arange(MASK_SIDE, device=rows.device) + 0.5) / MASK_SIDE
    places = new[:, :1] + steps[:, None] * (new[:, 1:] - new[:, :1])  # (D, S, XY)
    # Clamped, because ONNX Runtime reads beyond the cells where places are very far outside.
    shares = (2 * (places - old[:, :1]) / (old[:, 1:] - old[:, :1]).clamp(min=1e-6) - 1).clamp(-1, 1)
    across, down = shares[:, None, :, 0].expand(-1, MASK_SIDE, -1), shares[:, :, None, 1].expand(-1, -1, MASK_SIDE)
    cells = rows[:, None, ROW_WIDTH:].unflatten(2, (MASK_SIDE, MASK_SIDE))
    grid = torch.stack([across, down], 3)
    found = F.grid_sample(cells, grid, mode="bilinear", padding_mode="border", align_corners=False).flatten(1)
    changed = (old != new).flatten(1).any(1, keepdim=True)
    return torch.where(changed, found, rows[:, ROW_WIDTH:])
