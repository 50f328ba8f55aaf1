"""Which of the points of an object swap when an image is mirrored, by their names."""

import re
from collections.abc import Sequence

_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}
_LETTER = r"(?<![a-z])[lr](?![a-z])|(?<=[a-z0-9])[LR](?![A-Za-z])|(?<![A-Za-z])[LR](?=[A-Z][a-z])"
_LIMB = r"(?<![A-Za-z])[LR](?=[HFBM](?![A-Za-z]))|(?<=[a-z0-9])[LR](?=[HFBM](?![A-Za-z]))|(?<=[HFBM])[LR](?![A-Za-z])"
_PARTS = (
    "eye|ear|hip|knee|ankle|elbow|wrist|shoulder|hand|foot|paw|arm|leg|heel|toe|thumb|finger|cheek|brow|nostril|wing"
)
_SIDES = [  # the first that a name has says its side
    re.compile(r"left|right", re.IGNORECASE),
    re.compile(_LETTER),
    re.compile(r"(?<![a-z])[lr](?![a-z])", re.IGNORECASE),
    re.compile(_LIMB),
    re.compile(r"(?<![a-z])[lr](?=[hfaekswm](?![a-z]))|(?<![a-z])(?<=[hfbm])[lr](?![a-z])", re.IGNORECASE),
    re.compile(rf"(?<![a-z])[lr](?=(?:{_PARTS})(?![a-z]))|(?<=eye|ear|hip|arm|leg|paw)[lr](?![a-z])", re.IGNORECASE),
]


def pair_by_name(names: Sequence[str]) -> list[int]:
    """For each point, the one whose name says the other side, or itself.

    Sides are left and right, l and r as words of their own (`LEye`, `eyeL`, `1L`), in pairs of letters (`lh`, `1LH`),
    or before the name of a part of a body (`lhip`, but not `leg` and `reg`). Numbers may differ where no other point is
    meant (`paw1LH` and `paw4RH`).

    >>> pair_by_name(["left_eye", "right_eye", "L_Ear", "R_Ear", "nose", "paw1LH", "paw4RH"])
    [1, 0, 3, 2, 4, 6, 5]
    """
    plain = [_drop_digits(name) for name in names]
    pairs = list(range(len(names)))
    for place, name in enumerate(names):
        other = _name_opposite(name)
        if other == name:
            continue
        bare = _drop_digits(other)
        if other in names:
            pairs[place] = names.index(other)
        elif plain.count(bare) == 1 == plain.count(plain[place]):
            pairs[place] = plain.index(bare)
    return [other if pairs[other] == place else place for place, other in enumerate(pairs)]


def _name_opposite(name: str) -> str:
    """The name of the point on the other side; the name itself where it says none."""
    side = next((side for side in _SIDES if side.search(name)), None)
    return name if side is None else side.sub(lambda found: _opposite(found[0]), name)


def _drop_digits(name: str) -> str:
    return re.sub(r"[0-9]", "", name)


def _opposite(side: str) -> str:
    other = _OPPOSITE[side.lower()]
    return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other
