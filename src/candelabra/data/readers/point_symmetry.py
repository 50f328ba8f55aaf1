"""What is known of named points: which swap in a mirror image, which two normalize errors, which a line joins."""

import logging
from collections.abc import Sequence

from candelabra.data.targets import KeypointsTarget
from candelabra.data.targets.point_names import list_unpaired, pair_by_name, parse_point_pairs
from candelabra.errors import CandelabraError, list_nearest

log = logging.getLogger(__name__)


def resolve_points(
    names: Sequence[str],
    mirror: Sequence[Sequence[str]] | None,
    normalizer: Sequence[str],
    known: Sequence[int] | None = None,
    skeleton: Sequence[Sequence[str]] = (),
) -> KeypointsTarget:
    """The target of these points.

    Args:
        names: of the points.
        mirror: pairs that swap; null goes by `known`, or else by left and right in the names, where these tell all.
        normalizer: two points, or none.
        known: for each point, the one it becomes in a mirror image.
        skeleton: pairs of points that pictures join with a line.

    Raises:
        CandelabraError: `mirror`, `normalizer` or `skeleton` names a point that there is not, or holds no pairs.
    """
    swapped = list(range(len(names)))
    for pair in mirror or ():
        i, j = (index_of_point(names, point, "mirror") for point in pair)
        swapped[i], swapped[j] = j, i
    unknown = mirror is None and not known and bool(list_unpaired(names))
    if mirror is None and not unknown:
        swapped = list(known) if known else pair_by_name(names)
        if len(names) > 1 and swapped == list(range(len(names))):
            log.warning(
                "No points are known to swap in a mirror image: where some are left and right ones, name the pairs "
                "with data.mirror=[[left_eye,right_eye],...], or set data.flip=false."
            )
    return KeypointsTarget(
        tuple(names),
        None if unknown else tuple(swapped),
        tuple(index_of_point(names, point, "normalizer") for point in normalizer),
        parse_point_pairs(names, skeleton, "data.skeleton"),
    )


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
