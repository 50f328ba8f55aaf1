"""Checks of the fields of a target."""

from typing import Any

from candelabra.errors import CandelabraError


def check_field(value: Any, default: Any, where: str) -> Any:
    """A field of a target as its default is typed: true or false, or names that are all different.

    Raises:
        CandelabraError: it has another type, or a name is there twice.
    """
    if isinstance(default, bool) is not isinstance(value, bool) or not isinstance(value, bool | list | tuple):
        wanted = "true or false" if isinstance(default, bool) else "a list"
        raise CandelabraError(f"{where}={value!r} must be {wanted}.")
    if isinstance(value, bool):
        return value
    names = tuple(str(each) for each in value)
    if len(set(names)) < len(names):
        raise CandelabraError(f"{where} names {next(name for name in names if names.count(name) > 1)!r} twice.")
    return names
