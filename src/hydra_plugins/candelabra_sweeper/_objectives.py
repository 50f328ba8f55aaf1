"""Objectives of a sweep: results of its jobs, each with the direction that is better."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch

from ._errors import SweepError


def read_objectives(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """What is sought, by name.

    >>> read_objectives(["val/score:maximize", "seconds:minimize"])
    {'val/score': 'maximize', 'seconds': 'minimize'}
    """
    if isinstance(given, Mapping):
        return {str(name): str(direction) for name, direction in given.items()}
    return {
        (name or direction): (direction if name else "")
        for name, _, direction in (str(each).rpartition(":") for each in given)
    }


def check_objectives(objectives: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Checks names and directions.

    Raises:
        SweepError: there is none, its direction is not known, or nothing is chosen by it.
    """
    for name, direction in objectives.items():
        if direction not in ("maximize", "minimize"):
            raise SweepError(f"objectives: {name}:{direction} must be {name}:maximize or {name}:minimize.")
        if not any(fnmatch(name, pattern) for pattern in allowed):
            raise SweepError(f"objectives: nothing is chosen by {name}; allowed are {', '.join(allowed)}.")
    if not objectives:
        raise SweepError("objectives is empty; name a result, as in objectives=[score:maximize].")
