"""Names of classes as they are compared, wherever a text names one."""

import unicodedata
from typing import Any


def clean_class_name(name: str) -> str:
    r"""A name without blanks around it, single ones inside, its letters composed.

    >>> clean_class_name(" traffic \t light\ufeff"), clean_class_name("cafe\u0301") == "caf\u00e9"
    ('traffic light', True)
    """
    return " ".join(unicodedata.normalize("NFC", name).replace("\ufeff", "").split())


def clean_listed_names(names: Any) -> Any:
    """The same names, cleaned, of what should be a list of them; anything else as it is.

    >>> clean_listed_names([" traffic  light", 1]), clean_listed_names(None)
    (['traffic light', 1], None)
    """
    if not isinstance(names, list | tuple):
        return names
    return [clean_class_name(name) if isinstance(name, str) else name for name in names]
