"""Find leaks between splits and contradicting labels of equal images."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import SPLITS
from candelabra.data.sampling.name_groups import FEWEST_BEGINNINGS, WORD

BEGINNINGS = "beginnings of file names"


class Leak(NamedTuple):
    """Images that two splits share.

    Args:
        one, other: the splits.
        images: number of images of `other` with a duplicate in `one`.
        equal: number of them that are equal in every pixel.
    """

    one: str
    other: str
    images: int
    equal: int


class SharedName(NamedTuple):
    """File names, or prefixes of them, that several splits share.

    Args:
        what: the kind of name.
        shared: number of shared names.
        number: number of all names.
        splits: that share names.
        images: number of images with shared names, in all splits.
        examples: up to 5 names.
    """

    what: str
    shared: int
    number: int
    splits: tuple[str, ...]
    images: int
    examples: Sequence[str]


def find_leaks(
    equal: Sequence[NDArray[np.int64]], alike: Sequence[NDArray[np.int64]], split: NDArray[np.str_]
) -> list[Leak]:
    """Find the images of each split with a duplicate in an earlier split; see `Duplicates` for the groups."""
    found = []
    for one, other in combinations(SPLITS, 2):
        same = _find_shared_images(equal, split, one, other)
        both = same | _find_shared_images(alike, split, one, other)
        if both:
            found.append(Leak(one, other, len(both), len(same)))
    return found


def _find_shared_images(groups: Sequence[NDArray[np.int64]], split: NDArray[np.str_], one: str, other: str) -> set[int]:
    held: set[int] = set()
    for group in groups:
        if (split[group] == one).any():
            held.update(group[split[group] == other].tolist())
    return held


def find_cross_split_groups(groups: Sequence[NDArray[np.int64]], split: NDArray[np.str_]) -> list[NDArray[np.int64]]:
    """Return the groups with images in more than one split."""
    return [group for group in groups if len(set(split[group]) & set(SPLITS)) > 1]


def find_contradictions(
    groups: Sequence[NDArray[np.int64]], answers: Mapping[str, NDArray[np.uint64]]
) -> list[tuple[NDArray[np.int64], list[str]]]:
    """Return the groups with different labels, each with the targets that differ; missing labels are ignored."""
    found = []
    for group in groups:
        given = {target: set(values[group].tolist()) - {0} for target, values in answers.items()}
        differing = [target for target, values in given.items() if len(values) > 1]
        if differing:
            found.append((group, differing))
    return found


def find_shared_names(names: Sequence[str], split: NDArray[np.str_], strata: NDArray[np.int64]) -> list[SharedName]:
    """Find file names, and prefixes such as `Luis_Fonsi` of `Luis_Fonsi_21.jpg`, that several splits share.

    Ignores names without letters, and prefixes that are few or equal to the classes.

    Args:
        names: paths of the images.
        split: (n,) the split of each image.
        strata: (n,) the class of each image.
    """
    there: list[int] = np.flatnonzero(np.isin(split, SPLITS)).tolist()
    stems = [PurePath(names[index]).stem for index in there]
    starts = [re.sub(r"[\W_]*\d+$", "", stem) for stem in stems]
    named = [row for row, start in enumerate(starts) if WORD.search(start)]
    kinds = {starts[row] for row in named}
    pairs = {(starts[row], int(strata[there[row]])) for row in named}
    classes = {label for _, label in pairs}
    if len(kinds) < FEWEST_BEGINNINGS or len(classes) == len(kinds) == len(pairs):
        return []
    places = split[there]
    found = [
        _summarize_shared("file names", [stems[row] for row in named], places[named]),
        _summarize_shared(BEGINNINGS, [starts[row] for row in named], places[named]),
    ]
    return [each for each in found if each.shared]


def _summarize_shared(what: str, words: Sequence[str], places: NDArray[np.str_]) -> SharedName:
    by_word: dict[str, set[str]] = {}
    for word, place in zip(words, places.tolist(), strict=True):
        by_word.setdefault(word, set()).add(place)
    several = {word: found for word, found in by_word.items() if len(found) > 1}
    splits = tuple(split for split in SPLITS if any(split in found for found in several.values()))
    images = sum(word in several for word in words)
    return SharedName(what, len(several), len(by_word), splits, images, sorted(several)[:5])
