"""Ids of a COCO document, which other tools write as numbers, text or floats."""

from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class IdIndex(Generic[Value]):
    """Values by id; `7`, `7.0`, `"7"` and `" 7 "` are one id, unless the document gives two of them to two values.

    >>> index = IdIndex()
    >>> index.add(7, "seven"), index.add("a", "letter")
    (None, None)
    >>> [index.find(each) for each in (7, 7.0, "7", "a", 8, None, [7])]
    ['seven', 'seven', 'seven', 'letter', None, None, None]
    """

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Value] = {}
        self._loose: dict[str, Value | None] = {}

    def add(self, key: Any, value: Value) -> Value | None:
        """Adds a value; if its id is taken, nothing is added, and what has the id is returned."""
        exact = (type(key).__name__, str(key))
        if exact in self._exact:
            return self._exact[exact]
        self._exact[exact] = value
        loose = normalize_id(key)
        if loose is not None:
            self._loose[loose] = None if loose in self._loose else value  # two spellings are two ids here
        return None

    def find(self, key: Any) -> Value | None:
        """The value of an id; null where there is none, or where two spellings of the id have one each."""
        loose = normalize_id(key)
        exact = self._exact.get((type(key).__name__, str(key))) if loose is not None else None
        return exact if exact is not None or loose is None else self._loose.get(loose)


def normalize_id(key: Any) -> str | None:
    """An id as text, whole numbers without a fraction; null for what is no id.

    >>> [normalize_id(each) for each in (7, 7.0, "7.0", "007", "a.jpg", True, None, "", float("nan"))]
    ['7', '7', '7', '7', 'a.jpg', None, None, None, None]
    """
    if isinstance(key, bool) or not isinstance(key, int | float | str):
        return None
    text = str(key).strip()
    if len(text) > 300:
        return text
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
        return str(int(number)) if number == int(number) else text
    except (ValueError, OverflowError):  # not a number; not a finite one
        return None if text.lower() in ("", "nan") else text
