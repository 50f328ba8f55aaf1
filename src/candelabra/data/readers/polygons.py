"""Outlines of objects, for formats that have no mask files: polygons, and run lengths of pixels."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from candelabra.data.decoding.covered_region import CoveredRegion
from candelabra.data.decoding.image_files import ORIENTATION_TURNS
from candelabra.data.decoding.nearest_pixels import resize_nearest
from candelabra.types import Size, WidthHeight

_DRAWING = 2  # in the content of polygons, so that caches of masks that were drawn otherwise are not read
_MOST = 100_000_000  # pixels of an outline that is a mask itself


class PolygonOutline(ABC):
    """Where an object is."""

    area: float  # share of the image, roughly
    reach: tuple[float, float] = (1.0, 1.0)  # largest shares of width and height
    frame: WidthHeight | None = None  # pixels of an outline that is a mask itself

    @abstractmethod
    def draw(self, canvas: NDArray[Any], value: int, region: CoveredRegion) -> None:
        """Sets the pixels of the object.

        Args:
            canvas: (H, W) numbers.
            value: of the object.
            region: what the canvas covers of the image, in its pixels.
        """

    @abstractmethod
    def content(self) -> tuple[object, ...]:
        """What `hash_contents` goes by."""

    @abstractmethod
    def turn(self, orientation: int) -> Self:
        """The outline in the image turned by an EXIF orientation."""

    @abstractmethod
    def rescale(self, factors: tuple[float, float]) -> Self:
        """The outline with its shares of width and height multiplied."""


class Polygons(PolygonOutline):
    """The inside of polygons.

    Args:
        rings: each (n, 2) float32 XY, as shares of width and height.
    """

    def __init__(self, rings: Sequence[NDArray[np.float32]]) -> None:
        self.rings = rings
        spans = [np.ptp(ring, axis=0) for ring in rings]
        self.area = float(sum(width * height for width, height in spans))
        right, bottom = np.max([ring.max(0) for ring in rings], axis=0).tolist() if rings else (0.0, 0.0)
        self.reach = (right, bottom)

    def draw(self, canvas: NDArray[Any], value: int, region: CoveredRegion) -> None:
        sides, whole = np.array(canvas.shape[::-1]), np.array((region.columns[2], region.rows[2]))
        scale, shift = sides * whole / region.extent, sides * region.corner / region.extent
        rings = [np.clip(ring.astype(np.float64), -1, 2) * scale - shift for ring in self.rings]
        if not sum(fill_polygon(canvas, ring, value) for ring in rings):  # too thin for the centre of any pixel
            for ring in rings:
                _draw_border(canvas, ring, value)

    def content(self) -> tuple[object, ...]:
        return (_DRAWING, *self.rings)

    def turn(self, orientation: int) -> Self:
        return type(self)([turn_shares(ring, orientation) for ring in self.rings])

    def rescale(self, factors: tuple[float, float]) -> Self:
        return type(self)([ring * np.array(factors, np.float32) for ring in self.rings])


def fill_polygon(canvas: NDArray[Any], ring: NDArray[np.float64], value: int) -> int:
    """Sets the pixels inside a polygon: those that pycocotools sets, about those whose centre lies inside.

    Args:
        canvas: (H, W) numbers.
        ring: (n, 2) XY in pixels of the canvas, from the corner of the first pixel on.
        value: of the pixels.

    Returns:
        How many pixels of the canvas lie inside.
    """
    from faster_coco_eval.mask_api_new_cpp import frPoly, toUncompressedRLE  # as in pycocotools; its decode is slow

    sides = canvas.shape[::-1]
    first, last = (np.clip(ends, 0, sides).astype(int) for ends in (np.floor(ring.min(0)), np.ceil(ring.max(0))))
    (left, top), (width, height) = first.tolist(), (last - first).tolist()
    if len(ring) < 3 or not width * height:
        return 0
    corners = np.round(ring - first, 3)  # an error of float32 decides on which side the half of a pixel falls
    counts = toUncompressedRLE(frPoly([corners.ravel().tolist()], height, width))[0]["counts"]
    np.copyto(canvas[top : top + height, left : left + width], value, where=expand_runs(counts, (height, width)))
    return sum(counts[1::2])


def _draw_border(canvas: NDArray[Any], ring: NDArray[np.float64], value: int) -> None:
    """Sets the pixels inside a polygon and those that its edges pass through."""
    if (ring.max(0) <= 0).any() or (ring.min(0) >= canvas.shape[::-1]).any():
        return
    stencil = Image.new("1", canvas.shape[::-1])
    ImageDraw.Draw(stencil).polygon([(x, y) for x, y in ring.tolist()], fill=1)
    np.copyto(canvas, value, where=np.asarray(stencil))


class RunLengths(PolygonOutline):
    """A mask as lengths of runs, column by column, absent and present in turn: COCO's RLE.

    Args:
        size: (H, W) of the mask.
        lengths: of the runs, in pixels.

    Raises:
        ValueError: the runs are not as long as the mask.
    """

    def __init__(self, size: tuple[int, int], lengths: Sequence[int]) -> None:
        counts = np.asarray(lengths, np.int64)
        height, width = size
        if not 0 < height * width <= _MOST or (counts < 0).any() or int(counts.sum()) != height * width:
            raise ValueError(f"runs of {int(counts.sum())} pixels do not make a mask of {width} x {height}")
        self.size, self.counts = (height, width), counts
        self.frame = (width, height)
        self.area = float(counts[1::2].sum() / (height * width))

    def draw(self, canvas: NDArray[Any], value: int, region: CoveredRegion) -> None:
        height, width = canvas.shape
        np.copyto(canvas, value, where=resize_nearest(self._decode(), (height, width), region))

    def content(self) -> tuple[object, ...]:
        return (*self.size, self.counts)

    def turn(self, orientation: int) -> Self:
        inside = np.ascontiguousarray(ORIENTATION_TURNS[orientation](self._decode()))
        flat = inside.flatten(order="F")
        starts = np.flatnonzero(np.diff(flat)) + 1
        lengths = np.diff([0, *starts, flat.size]).tolist()
        return type(self)((inside.shape[0], inside.shape[1]), [0, *lengths] if flat[0] else lengths)

    def rescale(self, factors: tuple[float, float]) -> Self:
        return self  # its size is its own, whatever was stated

    def _decode(self) -> NDArray[np.bool_]:
        return expand_runs(self.counts, self.size)


def expand_runs(counts: ArrayLike, size: Size) -> NDArray[np.bool_]:
    """(H, W), true inside, of the lengths of runs, column by column, absent and present in turn.

    >>> expand_runs([1, 2, 1], (2, 2)).tolist()
    [[False, True], [True, False]]
    """
    lengths = np.asarray(counts)
    inside: NDArray[np.bool_] = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(size, order="F")


def turn_shares(points: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Points (n, 2) as shares of width and height, in the image turned by an EXIF orientation.

    >>> turn_shares(np.array([[0.0, 0.25]]), 6).tolist()
    [[0.75, 0.0]]
    """
    x, y = points[:, 0], points[:, 1]
    turned = {
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }.get(orientation)
    return points if turned is None else np.stack(turned, axis=1)


def decode_run_lengths(packed: str) -> list[int]:
    """The lengths in a compressed RLE: five bits a character, each length less the one before the last.

    Raises:
        ValueError: a character is none of its alphabet.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in packed:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:
            raise ValueError(f"{character!r} is no part of a compressed RLE")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value |= -1 << shift if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths
