"""Places in images: sizes, parts, and where an image lies in what the model sees."""

from typing import NamedTuple

from candelabra.data.decoding.covered_region import CoveredRegion
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
