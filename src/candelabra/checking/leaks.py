"""What one split knows of another, and what equal images are told to be."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.samples import SPLITS

_TELLING = 10  # beginnings of names that there must be, or they tell of the data set rather than of persons or drives


class Leak(NamedTuple):
    """Images of one split that another one holds too.

    Args:
        one, other: the splits.
        images: of the other split that show what one of the first does.
        equal: of them, those equal in every pixel.
    """

    one: str
    other: str
    images: int
    equal: int


class SharedName(NamedTuple):
    """File names, or beginnings of them, that several splits have.

    Args:
        what: is shared.
        shared, number: how many are, of how many in all.
        splits: that share them.
        images: of those names, in all splits.
        examples: a few.
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
    """What each later split holds of an earlier one; see `twins.Twins` for the groups."""
    found = []
    for one, other in combinations(SPLITS, 2):
        same = _held(equal, split, one, other)
        both = same | _held(alike, split, one, other)
        if both:
            found.append(Leak(one, other, len(both), len(same)))
    return found


def _held(groups: Sequence[NDArray[np.int64]], split: NDArray[np.str_], one: str, other: str) -> set[int]:
    held: set[int] = set()
    for group in groups:
        if (split[group] == one).any():
            held.update(group[split[group] == other].tolist())
    return held


def find_cross_split_groups(groups: Sequence[NDArray[np.int64]], split: NDArray[np.str_]) -> list[NDArray[np.int64]]:
    """Those groups that are in more than one split."""
    return [group for group in groups if len(set(split[group]) & set(SPLITS)) > 1]


def find_contradictions(
    groups: Sequence[NDArray[np.int64]], answers: Mapping[str, NDArray[np.uint64]]
) -> list[tuple[NDArray[np.int64], list[str]]]:
    """Groups that are labelled differently, with the targets; what one of its images lacks is no answer."""
    found = []
    for group in groups:
        given = {target: set(values[group].tolist()) - {0} for target, values in answers.items()}
        differing = [target for target, values in given.items() if len(values) > 1]
        if differing:
            found.append((group, differing))
    return found


def find_shared_names(names: Sequence[str], split: NDArray[np.str_], strata: NDArray[np.int64]) -> list[SharedName]:
    """File names in several splits, and beginnings of names (`Luis_Fonsi` of `Luis_Fonsi_21.jpg`) likewise.

    Names of digits alone tell nothing, nor do beginnings that are few or that are the classes.

    Args:
        names: paths of the images.
        split: of each.
        strata: (n,) the class of each.
    """
    there: list[int] = np.flatnonzero(np.isin(split, SPLITS)).tolist()
    stems = [PurePath(names[index]).stem for index in there]
    starts = [re.sub(r"[\W_]*\d+$", "", stem) for stem in stems]
    told = [row for row, start in enumerate(starts) if re.search(r"[^\W\d_]{2}", start)]
    kinds = {starts[row] for row in told}
    pairs = {(starts[row], int(strata[there[row]])) for row in told}
    classes = {label for _, label in pairs}
    if len(kinds) < _TELLING or len(classes) == len(kinds) == len(pairs):
        return []
    places = split[there]
    found = [
        _shared("file names", [stems[row] for row in told], places[told]),
        _shared("beginnings of file names", [starts[row] for row in told], places[told]),
    ]
    return [each for each in found if each.shared]


def _shared(what: str, words: Sequence[str], places: NDArray[np.str_]) -> SharedName:
    by_word: dict[str, set[str]] = {}
    for word, place in zip(words, places.tolist(), strict=True):
        by_word.setdefault(word, set()).add(place)
    several = {word: found for word, found in by_word.items() if len(found) > 1}
    splits = tuple(split for split in SPLITS if any(split in found for found in several.values()))
    images = sum(word in several for word in words)
    return SharedName(what, len(several), len(by_word), splits, images, sorted(several)[:5])
