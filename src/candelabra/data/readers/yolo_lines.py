"""One line of a YOLO label file."""

from collections.abc import Mapping, Sequence

import numpy as np

from candelabra.data.readers.object_annotations import ObjectAnnotation
from candelabra.data.readers.polygons import Polygons

_SLACK = 0.5  # of the image that a share may lie outside; what is further is no share


def parse_yolo_line(
    words: Sequence[str], names: Mapping[int, str], shape: tuple[int, int] | None, size: tuple[int, int]
) -> ObjectAnnotation:
    """The object of a line: a box of four shares, a box and points, or an outline of three corners or more.

    Args:
        words: of the line.
        names: of the classes by number; empty where nobody named them.
        shape: (number of points, numbers a point: 2, or 3 with the visibility); null for none.
        size: (width, height) of the image, in pixels.

    Raises:
        ValueError: it is none of these.
    """
    number = int(words[0])
    if number < 0 or (names and number not in names):
        raise ValueError(f"class {words[0]} is not known")
    name = names.get(number, str(number))
    shares = np.array([float(word) for word in words[1:]], np.float32)
    if shape and len(shares) == 4 + shape[0] * shape[1]:
        return ObjectAnnotation(name, _box(shares[:4], size), _points(shares[4:].reshape(shape), size))
    if len(shares) == 4:
        return ObjectAnnotation(name, _box(shares, size))
    if len(shares) < 6 or len(shares) % 2 or shape:
        wanted = f"4 or {4 + shape[0] * shape[1]}" if shape else "4, or 6 and more in pairs"
        raise ValueError(f"{len(shares)} numbers after the class, where there should be {wanted}")
    ring = _checked(shares).reshape(-1, 2)
    corners = np.concatenate([ring.min(0), ring.max(0)]) * np.array([*size, *size], np.float32)
    return ObjectAnnotation(name, _four(corners), outline=Polygons([ring]))


def _checked(shares: np.ndarray) -> np.ndarray:
    if not np.isfinite(shares).all() or (np.abs(shares - 0.5) > 0.5 + _SLACK).any():
        raise ValueError(f"numbers from {shares.min():g} to {shares.max():g} are no shares of the image")
    return shares


def _box(shares: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Centre, width and height as shares -> XYXY in pixels."""
    x, y, width, height = _checked(shares).tolist()
    sides = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)
    return _four(sides * np.array([*size, *size], np.float32))


def _four(sides: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, bottom = sides.tolist()
    return left, top, right, bottom


def _points(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K, 2) XY in pixels; NaN where the visibility is 0, or a point without one is at 0, 0."""
    placed = values[:, 2] > 0 if values.shape[1] == 3 else values[:, :2].any(1)
    placed &= np.isfinite(values).all(1)
    return np.where(placed[:, None], values[:, :2] * np.array(size, np.float32), np.float32("nan"))
