"""Finds file names that look like groups (persons, videos, sites) which a drawn split has divided.

A group is a beginning of names, as in `Ana_01.jpg`, or a folder, as in `video1/frame_01.jpg`. Names without a final
number, and beginnings without a word, say nothing. Beginnings are taken for groups where

- at least 10 of them have several images, and these are half of the images or more;
- numbers start again in each: most images have a number that another beginning has too, so cameras, which count on or
  write the time, and hashes are none;
- they do not name classes: images of a class with a single beginning do not count.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.samples import Samples

NAME_PATTERN = r"([^/]*\D)\d+(\.\w+)?\Z"  # for data.groups
FOLDER_PATTERN = r"(.+)/[^/]*\Z"  # likewise
SHARED_BEGINNING = "beginning of file names in several splits"
_NUMBERED = re.compile(NAME_PATTERN)
WORD = re.compile(r"[^\W\d_]{2}")  # without one, a beginning says nothing
FEWEST_BEGINNINGS = 10  # fewer ones name the data set, not persons or drives


def list_shared_beginnings(
    samples: Samples, parts: Mapping[str, NDArray[np.int64]], published: bool
) -> list[DataIssue]:
    """An issue for each beginning of file names that looks like a group and of which a drawn split has a part.

    Args:
        samples: of a data set; no image is read.
        parts: indices of each split.
        published: splits that the data set has are used; those of its images that keep their split are not drawn.
    """
    split = np.full(len(samples), "", dtype="<U5")
    for name, indices in parts.items():
        split[indices] = name
    drawn = split != samples.published if published else np.full(len(samples), True)
    used = np.flatnonzero(split != "")
    if not drawn[used].any():
        return []
    pattern, groups = NAME_PATTERN, _find_groups(samples, used, _split_name)
    if not groups:
        pattern, groups = FOLDER_PATTERN, _find_groups(samples, used, _split_path)
    advice = (
        "where one is a person, a video or a place, results will look too good; "
        f"\"data.groups='{pattern}'\" keeps its images in one split"
    )
    return [
        DataIssue(beginning, SHARED_BEGINNING, IssueTreatment.DOUBTED, advice)
        for beginning, indices in groups.items()
        if drawn[indices].any() and len(set(split[indices].tolist())) > 1
    ]


class _SplitName(NamedTuple):
    place: int
    beginning: str
    number: str


def _find_groups(
    samples: Samples, used: NDArray[np.int64], split_name: Callable[[int, str], _SplitName | None]
) -> dict[str, list[int]]:
    """The indices of the images of each group; empty where names tell of none."""
    names = [name for index in used.tolist() if (name := split_name(index, samples.names[index]))]
    of_class: dict[int, set[str]] = defaultdict(set)
    for each in names:
        of_class[int(samples.strata[each.place])].add(each.beginning)
    several = [each for each in names if len(of_class[int(samples.strata[each.place])]) > 1]
    groups: dict[str, list[int]] = defaultdict(list)
    with_number: dict[str, set[str]] = defaultdict(set)
    for each in several:
        groups[each.beginning].append(each.place)
        with_number[each.number].add(each.beginning)
    grouped = [each for each in several if len(groups[each.beginning]) > 1]
    counted_anew = sum(len(with_number[each.number]) > 1 for each in grouped)
    found = {beginning: indices for beginning, indices in groups.items() if len(indices) > 1}
    systematic = len(found) >= FEWEST_BEGINNINGS and 2 * len(grouped) >= len(used) and 2 * counted_anew > len(grouped)
    return found if systematic else {}


def _split_name(place: int, name: str) -> _SplitName | None:
    """The name in its parts; None where it has no final number, or no word before it."""
    match = _NUMBERED.search(name)
    if match is None or not WORD.search(match[1]):
        return None
    return _SplitName(place, match[1], name[match.end(1) :].partition(".")[0].lstrip("0"))


def _split_path(place: int, name: str) -> _SplitName | None:
    """The folder and the number in it; None where there is none of either, or no word."""
    folder, found = name.rpartition("/")[0], _split_name(place, name)
    return found._replace(beginning=folder) if folder and found else None
