"""Which pixels of a map are taken when it is resized without mixing their values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.types import Size


def find_nearest_pixels(old: int, new: int, part: tuple[int, int, int] | None = None) -> NDArray[np.int64]:
    """For each of `new` pixels in a row, which of `old` ones lies at its centre.

    Pixel i reaches from i to i + 1, so its centre is i + 0.5: images are filtered about the same centres. Where a
    centre falls between two pixels, as at half the size, the left and the right one are taken in turn. `nearest-exact`
    always takes the right one, which would move the map by up to a quarter of a new pixel.

    Args:
        old: number of pixels.
        new: likewise.
        part: start, stop and whole: the old pixels reach from 0 to `whole`, the new ones from `start` to `stop`, which
            may lie outside; null where both reach equally far.

    >>> find_nearest_pixels(6, 3).tolist(), find_nearest_pixels(2, 4).tolist(), find_nearest_pixels(3, 2).tolist()
    ([0, 3, 4], [0, 0, 1, 1], [0, 2])
    """
    start, stop, whole = part or (0, 1, 1)
    numbers = np.arange(new, dtype=np.int64)
    places, rest = np.divmod((2 * new * start + (2 * numbers + 1) * (stop - start)) * old, 2 * new * whole)
    between = (rest == 0) & (numbers % 2 == 0)
    found: NDArray[np.int64] = np.clip(places - between, 0, old - 1)
    return found


def resize_nearest(values: NDArray[Any], size: Size, region: CoveredRegion | None = None) -> NDArray[Any]:
    """Maps (..., H, W) at another (H, W).

    Args:
        values: the maps.
        size: of the result.
        region: what the new pixels cover of the maps, counted in any unit; null for all of it.

    >>> resize_nearest(np.arange(16).reshape(4, 4), (2, 2)).tolist()
    [[0, 3], [12, 15]]
    """
    if values.shape[-2:] == size and region is None:
        return values
    parts = region or (None, None)
    rows, columns = (find_nearest_pixels(*sides) for sides in zip(values.shape[-2:], size, parts, strict=True))
    return values[..., rows[:, None], columns]
