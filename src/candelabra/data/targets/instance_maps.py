"""Maps of objects: the number of each pixel says which object it belongs to, of which class, or what is not known."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.targets.object_rows import IGNORED_SCORE, ROW_WIDTH

NO_OBJECT, UNKNOWN = 0, -1  # values of pixels; UNKNOWN is "not labelled"
MOST_CLASSES, MOST_OBJECTS = 1024, 8191  # all values are below 2 ** 24: float32, of affine transforms, holds them
MOST_UNKNOWN = 23  # classes that can be unknown one by one, likewise
_FIRST = 2 * MOST_CLASSES  # the smallest value of an object


def pack_object(number: int, class_index: int, crowd: bool = False) -> int:
    """The value of the pixels of an object.

    Args:
        number: of the object in its image, from 1 on.
        class_index: from 0 on.
        crowd: it is a region that neither teaches nor counts for its class.
    """
    return number * _FIRST + 2 * class_index + crowd


def pack_unknown(classes: Sequence[int]) -> int:
    """The value of pixels of no object, where nobody looked for some classes, by index; others are not there.

    >>> pack_unknown([]), pack_unknown([0]), pack_unknown([0, 1])
    (0, -2, -4)
    """
    return -1 - sum(1 << number for number in classes) if classes else NO_OBJECT


def find_object_pixels(values: Tensor) -> Tensor:
    """Which pixels belong to an object or a crowd: bool, in the shape of the values."""
    return values >= _FIRST


def unpack_numbers(values: Tensor) -> Tensor:
    """The number of the object of each pixel, 0 for none."""
    return torch.where(find_object_pixels(values), values // _FIRST, 0)


def unpack_classes(values: Tensor) -> Tensor:
    """The class of values of objects."""
    return values % _FIRST // 2


def find_crowds(values: Tensor) -> Tensor:
    """Which values of objects are those of crowds."""
    return values % 2 == 1


def list_codes(values: Tensor) -> tuple[Tensor, Tensor]:
    """The objects of a map.

    Args:
        values: (H, W) int.

    Returns:
        Their values (K,) in ascending order, and their boxes (K, 4) float32, XYXY in pixels.
    """
    found = find_object_pixels(values)
    rows, columns = torch.nonzero(found, as_tuple=True)
    codes, owners = values[found].unique(return_inverse=True)
    boxes = [
        torch.full((len(codes),), start, dtype=torch.int64, device=values.device).scatter_reduce(0, owners, at, way)
        for at, start, way in (
            (columns, values.shape[1], "amin"),
            (rows, values.shape[0], "amin"),
            (columns + 1, 0, "amax"),
            (rows + 1, 0, "amax"),
        )
    ]
    return codes, torch.stack(boxes, 1).float()


def list_unknown_classes(values: Tensor) -> list[int]:
    """Classes that nobody looked for somewhere in a map (H, W), apart from pixels of which nothing is known."""
    bits = 0
    for value in values[values < UNKNOWN].unique().tolist():
        bits |= -1 - int(value)
    return [number for number in range(MOST_UNKNOWN) if bits >> number & 1]


def make_rows(values: Tensor, listed: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The objects of a map as a value of `BoxesTarget`: crowds and whole images of unknown classes have score 0.

    Args:
        values: (H, W) int.
        listed: what `list_codes` gave for it, where that is at hand.

    Returns:
        (K, 6) float32; the objects in the order of `list_codes`, then the unknown classes.
    """
    if bool((values == UNKNOWN).all()):
        return torch.full((1, ROW_WIDTH), torch.nan, device=values.device)
    codes, boxes = list_codes(values) if listed is None else listed
    known = torch.stack([unpack_classes(codes).float(), torch.where(find_crowds(codes), IGNORED_SCORE, 1.0)], 1)
    height, width = values.shape
    unknown = [(0, 0, width, height, number, IGNORED_SCORE) for number in list_unknown_classes(values)]
    ignored = torch.tensor(unknown, dtype=torch.float32).reshape(-1, ROW_WIDTH).to(values.device)
    return torch.cat([torch.cat([boxes, known], 1), ignored])


def replace_classes(values: Tensor, numbers: Sequence[int], unknown: Sequence[int]) -> Tensor:
    """A map by the classes of a larger list.

    Args:
        values: (H, W) int.
        numbers: for each class of the map, its index in the larger list.
        unknown: indices there of classes that the data set of the map does not know.
    """
    plain = values.clone()
    found = find_object_pixels(values)
    codes = values[found]
    table = torch.tensor(numbers, dtype=values.dtype)
    plain[found] = codes - 2 * unpack_classes(codes) + 2 * table[unpack_classes(codes).long()]
    for value in values[(values < UNKNOWN) | (values == NO_OBJECT)].unique().tolist():
        bits = -1 - int(value) if value else 0
        own = [number for place, number in enumerate(numbers) if bits >> place & 1]
        plain[values == value] = pack_unknown(sorted({*own, *unknown}))
    return plain


def number_objects(labels: NDArray[np.int64], classes: NDArray[np.int64]) -> Tensor:
    """The map of objects that any numbers tell apart.

    Args:
        labels: (H, W) a number for each object, 0 for none, below 0 where nothing is known.
        classes: (H, W) the class index of each pixel of an object, or one for all, shape ().

    Returns:
        (H, W) int32; the class of an object is that of most of its pixels. Objects beyond `MOST_OBJECTS` are dropped
        as unknown.
    """
    values = np.where(labels < 0, UNKNOWN, NO_OBJECT).astype(np.int32)
    inside = labels > 0
    names, owners = np.unique(labels[inside], return_inverse=True)
    own = np.broadcast_to(classes, labels.shape)[inside]
    votes = np.zeros((len(names), int(own.max(initial=0)) + 1), np.int64)
    np.add.at(votes, (owners, own), 1)
    codes = np.array([pack_object(n + 1, int(c)) for n, c in enumerate(votes.argmax(1))], np.int32)
    codes[MOST_OBJECTS:] = UNKNOWN
    values[inside] = codes[owners]
    return torch.from_numpy(values)
