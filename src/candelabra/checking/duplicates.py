"""Images that are there more than once: equal in every pixel, or the same scene in another file."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_LAYOUT = 0.95  # correlation of low frequencies that two images need before their details are compared
_SMALLEST = 32  # pixels; shorter images (MNIST's 28) hold too little to tell alike from equal
_FLAT = 2.0  # deviation of grey values below which there is nothing to compare
_EDGE = 4.0  # grey levels from one pixel to the next from which an edge counts about whole, however strong it is
_BLOCK = 2048  # images that are compared with as many others at once
_CHUNK = 32_768  # pairs whose details are compared at once


class Duplicates(NamedTuple):
    """Groups of images.

    Args:
        equal: indices of images equal in every pixel.
        alike: indices of images that show the same; groups all of whose images are equal are left out.
    """

    equal: Sequence[NDArray[np.int64]]
    alike: Sequence[NDArray[np.int64]]


def find_duplicates(
    pixels: NDArray[np.uint64], thumbs: NDArray[np.uint8], sizes: NDArray[np.int32], near: float | None
) -> Duplicates:
    """Finds images that are there more than once.

    Two images are alike where the low frequencies of their thumbnails (the coefficients of a perceptual hash, not
    rounded to bits; Zauner 2010) correlate by `_LAYOUT`, their gradients by `near`. An image alike to one of a group
    is in the group.

    Args:
        pixels: (n,) digests; equal where two images are.
        thumbs: (n, side, side) in grey.
        sizes: (n, 2) in pixels; 0 for images that could not be read.
        near: correlation of gradients, 0 to 1; null looks for equal images alone.
    """
    read = np.flatnonzero(sizes[:, 0] > 0)
    _, same = np.unique(pixels[read], return_inverse=True)
    group = np.arange(len(pixels))
    first = np.full(len(pixels) + 1, len(pixels))
    np.minimum.at(first, same, read)
    group[read] = first[same]
    equal = list_members(group)
    if near is None:
        return Duplicates(equal, [])
    detailed = (sizes.min(1) >= _SMALLEST) & (_deviation(thumbs) >= _FLAT) & (group == np.arange(len(group)))
    chosen = np.flatnonzero(detailed)
    number = _joined(thumbs[chosen], near)
    whole = np.arange(len(group))
    leader = np.full(len(chosen) + 1, len(group))
    np.minimum.at(leader, number, chosen)
    whole[chosen] = leader[number]
    whole = whole[group]  # equal images go with their first
    return Duplicates(equal, [found for found in list_members(whole) if len(np.unique(group[found])) > 1])


def list_members(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The indices of each group of two or more, in the order of their first.

    >>> list_members(np.array([0, 1, 0, 3, 1]))
    [array([0, 2]), array([1, 4])]
    """
    order = np.argsort(group, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((run for run in runs if len(run) > 1), key=lambda run: int(run[0]))


def _joined(thumbs: NDArray[np.uint8], near: float) -> NDArray[np.int64]:
    """(n,) the number of the group of each image."""
    count = len(thumbs)
    group = np.arange(count)
    layout = _layout(thumbs)
    for rows, columns in _candidates(layout):
        for start in range(0, len(rows), _CHUNK):
            one, other = rows[start : start + _CHUNK], columns[start : start + _CHUNK]
            apart = group[one] != group[other]  # of a thousand views of one scene, few pairs have to be compared
            if apart.any():
                one, other = one[apart], other[apart]
                alike = (_gradients(thumbs[one]) * _gradients(thumbs[other])).sum(1) >= near
                group = _merged(group, one[alike], other[alike])
    return group


def _merged(group: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    ones = np.ones(len(one), bool)
    links = coo_array((ones, (group[one], group[other])), shape=(len(group), len(group)))
    number: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return number[group]


def _candidates(layout: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for top in range(0, len(layout), _BLOCK):
        for left in range(top, len(layout), _BLOCK):
            rows, columns = np.nonzero(layout[top : top + _BLOCK] @ layout[left : left + _BLOCK].T >= _LAYOUT)
            above = rows + top < columns + left
            yield rows[above] + top, columns[above] + left


def _deviation(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    deviation = np.zeros(len(thumbs), np.float32)
    for start in range(0, len(thumbs), _BLOCK):
        deviation[start : start + _BLOCK] = thumbs[start : start + _BLOCK].std((1, 2))
    return deviation


def _layout(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 63) the lowest frequencies without the mean, of length 1."""
    layout = np.zeros((len(thumbs), 8, 8), np.float32)
    for start in range(0, len(thumbs), _BLOCK):
        block = thumbs[start : start + _BLOCK].astype(np.float32)
        layout[start : start + _BLOCK] = dctn(block, axes=(1, 2), norm="ortho")[:, :8, :8]
    return _unit(layout.reshape(-1, 64)[:, 1:])


def _gradients(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 2 * side * (side - 1)) differences of neighbours, of length 1.

    They are bounded by tanh: otherwise a strong outline (a frame, the stroke of a digit) outweighs all details that
    differ, and every 0 of the digits counts as one image.
    """
    grey = thumbs.astype(np.float32)
    both = [np.tanh(np.diff(grey, axis=axis) / _EDGE).reshape(len(grey), -1) for axis in (1, 2)]
    return _unit(np.concatenate(both, axis=1))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit
