"""stub."""

from typing import Any


def page(*a: Any) -> str:
    return ""
