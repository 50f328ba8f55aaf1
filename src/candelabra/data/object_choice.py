"""One object of an image where a data set has several."""

from collections.abc import Sequence
from typing import Literal, get_args

from candelabra.data.issues import DataIssue, IssueTreatment

ObjectRule = Literal["largest", "first", "single"]
OBJECT_RULES: tuple[str, ...] = get_args(ObjectRule)


def choose_object(areas: Sequence[float], rule: ObjectRule) -> int | None:
    """Which of the objects of an image gives its labels, by their areas; of equal ones the first, null for none.

    >>> [choose_object([1, 4, 4], rule) for rule in ("largest", "first", "single")]
    [1, 0, None]
    >>> choose_object([], "first"), choose_object([1], "single")
    (None, 0)
    """
    if not areas or (rule == "single" and len(areas) > 1):
        return None
    return max(range(len(areas)), key=areas.__getitem__) if rule == "largest" else 0


def describe_several_objects(names: Sequence[str], count: int, rule: str) -> list[DataIssue]:
    """What is listed for images of which one of several objects gives the labels; nothing for none.

    Args:
        names: of those images.
        count: of all images.
        rule: that chose the object.
    """
    if not names:
        return []
    detail = f"{len(names)} of {count} images, with data.objects={rule}; boxes and masks show all objects"
    what = "several objects, of which one gives label, box and points"
    return [DataIssue(names[0], what, IssueTreatment.USED, detail)]
