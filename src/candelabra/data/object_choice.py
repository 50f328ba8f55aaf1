"""One object of an image where a data set has several."""

from collections.abc import Sequence
from typing import Literal, get_args

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
