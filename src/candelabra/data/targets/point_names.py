"""Which of the points of an object swap when an image is mirrored, by their names."""

import re
from collections.abc import Sequence
from typing import Any

from candelabra.errors import CandelabraError, list_nearest

_WORDS = [("left", "right"), ("l", "r"), ("links", "rechts"), ("gauche", "droite"), ("左", "右")]
_WORDS += [("linke", "rechte"), ("linkes", "rechtes"), ("linker", "rechter")]
_WORDS += [("izquierdo", "derecho"), ("izquierda", "derecha"), ("esquerdo", "direito"), ("esquerda", "direita")]
_OPPOSITE = {one: other for pair in _WORDS for one, other in (pair, pair[::-1])}
_FOREIGN = "|".join(word for pair in _WORDS[2:] for word in pair)
_LETTER = r"(?<![a-z])[lr](?![a-z])|(?<=[a-z0-9])[LR](?![A-Za-z])|(?<![A-Za-z])[LR](?=[A-Z][a-z])"
_LIMB = r"(?<![A-Za-z])[LR](?=[HFBM](?![A-Za-z]))|(?<=[a-z0-9])[LR](?=[HFBM](?![A-Za-z]))|(?<=[HFBM])[LR](?![A-Za-z])"
_PARTS = (
    "eye|ear|hip|knee|ankle|elbow|wrist|shoulder|hand|foot|paw|arm|leg|heel|toe|thumb|finger|cheek|brow|nostril|wing"
)
_TWO = re.compile(rf"(?:{_PARTS})s?[^a-z]*$", re.IGNORECASE)
_NO_SIDE = re.compile(r"(?<![a-z])(?:rear|cleft|upright)(?![a-z])", re.IGNORECASE)
_SIDES = [  # the first that a name has says its side
    re.compile(r"left|right", re.IGNORECASE),
    re.compile(rf"(?<![a-z])(?:{_FOREIGN})(?![a-z])", re.IGNORECASE),
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


def pair_all_by_name(names: Sequence[str]) -> tuple[int, ...] | None:
    """For each point, the one that it becomes in a mirror image; null where names leave one open."""
    return None if list_unpaired(names) else tuple(pair_by_name(names))


def list_unpaired(names: Sequence[str]) -> list[str]:
    """The points whose mirror image their names leave open.

    These are sided points whose other side is not there, and points of one name that only numbers tell apart: of any
    name where no two points are sides of each other, else of parts of a body that come in twos.

    >>> list_unpaired(["left_eye", "right_eye", "left_ear", "spine1", "spine2", "paw1", "paw2"])
    ['left_ear', 'paw1', 'paw2']
    >>> list_unpaired(["0", "1"]), list_unpaired(["nose", "tail", "mouth"])
    (['0', '1'], [])
    """
    pairs = pair_by_name(names)
    bare = [_drop_digits(name) for name in names]
    sided = any(place != other for place, other in enumerate(pairs))
    numbered = {word for word in bare if bare.count(word) > 1 and (not sided or _TWO.search(word))}
    numbered |= {word for word in bare if not re.search(r"[^\W_]", word)} if len(names) > 1 else set()
    alone = [(name, word) for place, (name, word) in enumerate(zip(names, bare, strict=True)) if pairs[place] == place]
    return [name for name, word in alone if word in numbered or _is_sided(_NO_SIDE.sub("", name))]


def _name_opposite(name: str) -> str:
    """The name of the point on the other side; the name itself where it says none."""
    side = next((side for side in _SIDES if side.search(name)), None)
    return name if side is None else side.sub(lambda found: _opposite(found[0]), name)


def _is_sided(name: str) -> bool:
    return _name_opposite(name) != name


def _drop_digits(name: str) -> str:
    return re.sub(r"[0-9]", "", name)


def _opposite(side: str) -> str:
    other = _OPPOSITE[side.lower()]
    return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other


def parse_mirror_pairs(points: Sequence[str], pairs: Any, where: str) -> tuple[int, ...]:
    """For each point, the index of the one it becomes in a mirror image; empty where there are no points.

    Raises:
        CandelabraError: an entry is no pair, or names no point.
    """
    swapped = list(range(len(points)))
    for left, right in parse_point_pairs(points, pairs, where):
        swapped[left], swapped[right] = right, left
    return tuple(swapped)


def parse_point_pairs(points: Sequence[str], pairs: Any, where: str) -> tuple[tuple[int, int], ...]:
    """Pairs of named points as pairs of indices.

    Raises:
        CandelabraError: an entry is no pair, or names no point.
    """
    found: list[tuple[int, int]] = []
    for pair in pairs if isinstance(pairs, list | tuple) else [pairs]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise CandelabraError(
                f"{where} holds {pair!r}; it must hold pairs of points, such as [left_eye, right_eye]."
            )
        found.append((find_point(points, pair[0], where), find_point(points, pair[1], where)))
    return tuple(found)


def find_point(points: Sequence[str], point: Any, where: str) -> int:
    """The place of a point that labels name.

    Raises:
        CandelabraError: there is none.
    """
    if str(point) not in points:
        known = list_nearest(str(point), points)
        raise CandelabraError(f"{where} names the point {point}; there are {known}.")
    return list(points).index(str(point))
