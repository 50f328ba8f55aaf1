"""One object of an image where a data set has several."""

from collections.abc import Sequence
from typing import Literal, get_args

Rule = Literal["largest", "first", "single"]
RULES: tuple[str, ...] = get_args(Rule)


def chosen(areas: Sequence[float], rule: Rule) -> int | None:
    """Which of the objects of an image gives its labels, by their areas; of equal ones the first, null for none.

    >>> [chosen([1, 4, 4], rule) for rule in ("largest", "first", "single")], chosen([], "first"), chosen([1], "single")
    ([1, 0, None], None, 0)
    """
    if not areas or (rule == "single" and len(areas) > 1):
        return None
    return max(range(len(areas)), key=areas.__getitem__) if rule == "largest" else 0
