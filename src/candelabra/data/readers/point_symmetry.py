"""Symmetry of named points: which swap when an image is mirrored, and which two normalize errors."""

import logging
import re
from collections.abc import Sequence

from candelabra.data.targets import KeypointsTarget
from candelabra.errors import CandelabraError, list_nearest

log = logging.getLogger(__name__)
_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}
_SIDE = re.compile(r"left|right|(?<![a-z])[lr](?![a-z])", re.IGNORECASE)


def resolve_points(
    names: Sequence[str],
    mirror: Sequence[Sequence[str]] | None,
    normalizer: Sequence[str],
    known: Sequence[int] | None = None,
) -> KeypointsTarget:
    """The target of these points.

    Args:
        names: of the points.
        mirror: pairs that swap; null goes by `known`, or else by left and right in the names.
        normalizer: two points, or none.
        known: for each point, the one it becomes in a mirror image.

    Raises:
        CandelabraError: `mirror` or `normalizer` names a point that there is not.
    """
    swapped = list(range(len(names)))
    for pair in mirror or ():
        i, j = (index_of_point(names, point, "mirror") for point in pair)
        swapped[i], swapped[j] = j, i
    if mirror is None:
        swapped = list(known) if known else pair_by_name(names)
        if len(names) > 1 and swapped == list(range(len(names))):
            log.warning(
                "No points are known to swap in a mirror image: where some are left and right ones, name the pairs "
                "with data.mirror=[[left_eye,right_eye],...], or set data.flip=false."
            )
    return KeypointsTarget(
        tuple(names), tuple(swapped), tuple(index_of_point(names, point, "normalizer") for point in normalizer)
    )


def pair_by_name(names: Sequence[str]) -> list[int]:
    """For each point, the one whose name says the other side, or itself.

    >>> pair_by_name(["left_eye", "right_eye", "L_Ear", "R_Ear", "nose"])
    [1, 0, 3, 2, 4]
    """
    others = [_SIDE.sub(lambda found: _opposite(found[0]), name) for name in names]
    return [names.index(other) if other in names else place for place, other in enumerate(others)]


def _opposite(side: str) -> str:
    other = _OPPOSITE[side.lower()]
    return other.upper() if side.isupper() else other.capitalize() if side[0].isupper() else other


def index_of_point(names: Sequence[str], point: str, argument: str) -> int:
    """The place of a point that the user named.

    Raises:
        CandelabraError: there is none.
    """
    if str(point) not in names:
        raise CandelabraError(
            f"data.{argument} names the point {point}; the data have {list_nearest(str(point), names)}."
        )
    return list(names).index(str(point))
