"""Find duplicate images: equal in every pixel, or the same scene in another file."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

NEAR = 0.6  # correlation of details from which two images show the same
_LAYOUT = 0.95  # correlation of low frequencies that two images need before their details are compared
_SMALLEST = 32  # pixels; smaller images (MNIST: 28) have too little detail to detect similar ones
_FLAT = 2.0  # standard deviation of grey values below which an image has no detail
_EDGE = 4.0  # difference of neighbouring grey values at which tanh saturates
_BLOCK = 2048  # rows and columns of a block of comparisons
_CHUNK = 32_768  # pairs per comparison of details


class Duplicates(NamedTuple):
    """Groups of duplicate images, each an array of indices.

    Args:
        equal: images equal in every pixel.
        alike: images of the same scene; groups in which all images are equal are left out.
    """

    equal: Sequence[NDArray[np.int64]]
    alike: Sequence[NDArray[np.int64]]


def find_duplicates(
    pixels: NDArray[np.uint64], thumbs: NDArray[np.uint8], sizes: NDArray[np.int32], near: float | None
) -> Duplicates:
    """Find groups of duplicate images.

    Two images are alike if the low frequencies of their thumbnails (the coefficients of a perceptual hash, not rounded
    to bits; Zauner 2010) correlate by at least `_LAYOUT`, and their gradients by at least `near`. Groups are the
    connected components.

    Args:
        pixels: (n,) digests of the pixels.
        thumbs: (n, side, side) grey thumbnails.
        sizes: (n, 2) in pixels; 0 for unreadable images.
        near: correlation of gradients, in [0, 1]; null finds equal images only.
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
    detailed = (sizes.min(1) >= _SMALLEST) & (_compute_deviations(thumbs) >= _FLAT) & (group == np.arange(len(group)))
    chosen = np.flatnonzero(detailed)
    number = _group_alike(thumbs[chosen], near)
    whole = np.arange(len(group))
    leader = np.full(len(chosen) + 1, len(group))
    np.minimum.at(leader, number, chosen)
    whole[chosen] = leader[number]
    whole = whole[group]  # equal images join the group of their first
    return Duplicates(equal, [found for found in list_members(whole) if len(np.unique(group[found])) > 1])


def list_members(group: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the indices of each group with two or more members, ordered by the first member.

    >>> list_members(np.array([0, 1, 0, 3, 1]))
    [array([0, 2]), array([1, 4])]
    """
    order = np.argsort(group, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((run for run in runs if len(run) > 1), key=lambda run: int(run[0]))


def _group_alike(thumbs: NDArray[np.uint8], near: float) -> NDArray[np.int64]:
    """Return (n,) the group number of each image."""
    count = len(thumbs)
    group = np.arange(count)
    layout = _compute_layouts(thumbs)
    for rows, columns in _find_candidates(layout):
        for start in range(0, len(rows), _CHUNK):
            one, other = rows[start : start + _CHUNK], columns[start : start + _CHUNK]
            apart = group[one] != group[other]  # skips most pairs among many views of one scene
            if apart.any():
                one, other = one[apart], other[apart]
                alike = (_compute_gradients(thumbs[one]) * _compute_gradients(thumbs[other])).sum(1) >= near
                group = _merge_groups(group, one[alike], other[alike])
    return group


def _merge_groups(group: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    ones = np.ones(len(one), bool)
    links = coo_array((ones, (group[one], group[other])), shape=(len(group), len(group)))
    number: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return number[group]


def _find_candidates(layout: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for top in range(0, len(layout), _BLOCK):
        for left in range(top, len(layout), _BLOCK):
            rows, columns = np.nonzero(layout[top : top + _BLOCK] @ layout[left : left + _BLOCK].T >= _LAYOUT)
            above = rows + top < columns + left
            yield rows[above] + top, columns[above] + left


def _compute_deviations(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    deviation = np.zeros(len(thumbs), np.float32)
    for start in range(0, len(thumbs), _BLOCK):
        deviation[start : start + _BLOCK] = thumbs[start : start + _BLOCK].std((1, 2))
    return deviation


def _compute_layouts(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 63) the lowest frequencies without the mean, normalised to length 1."""
    layout = np.zeros((len(thumbs), 8, 8), np.float32)
    for start in range(0, len(thumbs), _BLOCK):
        block = thumbs[start : start + _BLOCK].astype(np.float32)
        layout[start : start + _BLOCK] = dctn(block, axes=(1, 2), norm="ortho")[:, :8, :8]
    return _normalize(layout.reshape(-1, 64)[:, 1:])


def _compute_gradients(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 2 * side * (side - 1)) differences of neighbours, normalised to length 1.

    They are bounded by tanh: otherwise a strong outline (a frame, the stroke of a digit) outweighs all differing
    details, and all digits 0 count as one image.
    """
    grey = thumbs.astype(np.float32)
    both = [np.tanh(np.diff(grey, axis=axis) / _EDGE).reshape(len(grey), -1) for axis in (1, 2)]
    return _normalize(np.concatenate(both, axis=1))


def _normalize(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return unit
