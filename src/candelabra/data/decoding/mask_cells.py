"""The mask of an object as probabilities of the cells of its box: brought to pixels, to a part of the box, to runs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.results import ObjectMask
from candelabra.types import Size

MASK_SIDE = 28  # cells of the mask of a prediction, along each side of its box
_INSIDE = 0.5  # probability
_LEAST = 1e-6  # pixels of a side

Floats = NDArray[np.float32]


def paste_cells(box: Sequence[float], cells: Floats) -> ObjectMask:
    """The pixels of an object.

    The mask is sampled bilinearly at the centres of pixels; torchvision's `paste_masks_in_image` moves boxes to whole
    pixels.

    Args:
        box: XYXY in pixels; it lies in the image.
        cells: (S * S,) float32 probabilities, row by row.
    """
    left, top, right, bottom = box
    places = []
    for low, high in ((top, bottom), (left, right)):
        first = math.floor(low)
        centres = np.arange(first, math.ceil(high), dtype=np.float32) + np.float32(0.5)
        places.append((first, (centres - np.float32(low)) / np.float32(max(high - low, _LEAST))))
    (first_row, down), (first_column, across) = places
    found = _weigh_cells(down) @ cells.reshape(MASK_SIDE, MASK_SIDE) @ _weigh_cells(across).T
    seen = (abs(down - 0.5) <= 0.5)[:, None] & (abs(across - 0.5) <= 0.5)
    return ObjectMask(first_row, first_column, (found > _INSIDE) & seen)


def crop_cells(cells: Floats, boxes: Floats, parts: Floats) -> Floats:
    """The cells (D, S * S) of boxes, sampled anew for a part of each box.

    Args:
        cells: (D, S * S).
        boxes: (D, 4) XYXY.
        parts: likewise; where one is the box itself, its cells stay as they are.
    """
    found = cells.copy()
    steps = (np.arange(MASK_SIDE, dtype=np.float32) + np.float32(0.5)) / MASK_SIDE
    for number in np.flatnonzero((boxes != parts).any(1)):
        (low, high), (start, stop) = boxes[number].reshape(2, 2), parts[number].reshape(2, 2)
        places = (start + steps[:, None] * (stop - start) - low) / np.maximum(high - low, _LEAST)  # (S, XY)
        square = cells[number].reshape(MASK_SIDE, MASK_SIDE)
        found[number] = (_weigh_cells(places[:, 1]) @ square @ _weigh_cells(places[:, 0]).T).reshape(-1)
    return found


def list_run_lengths(mask: ObjectMask, size: Size) -> dict[str, Any]:
    """A mask as an uncompressed RLE of COCO: `size` [H, W], and `counts` column by column, of pixels outside first.

    >>> list_run_lengths(ObjectMask(1, 0, np.ones((2, 2), np.bool_)), (3, 4))
    {'size': [3, 4], 'counts': [1, 2, 1, 2, 6]}
    """
    edges = np.diff(np.pad(mask.inside.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    bounds = []
    for kind in (1, -1):
        columns, rows = np.nonzero(edges == kind)
        bounds.append((columns + mask.left) * size[0] + rows + mask.top)
    starts, stops = bounds
    apart = starts[1:] != stops[:-1]  # a run that ends at the lower edge goes on at the upper edge of the next column
    starts, stops = starts[np.r_[True, apart][: len(starts)]], stops[np.r_[apart, True][: len(stops)]]
    places = np.concatenate([[0], np.stack([starts, stops], 1).reshape(-1), [size[0] * size[1]]])
    counts = np.diff(places).tolist()
    return {"size": list(size), "counts": counts if counts[-1] else counts[:-1]}


def _weigh_cells(places: Floats) -> Floats:
    """(n, S) the weights of the cells along one side of a box for n places, in shares of this side."""
    place = np.clip(places * MASK_SIDE - np.float32(0.5), 0, MASK_SIDE - 1)
    weights: Floats = np.maximum(1 - abs(place[:, None] - np.arange(MASK_SIDE, dtype=np.float32)), 0)
    return weights
