"""Names of classes as people write them: blanks around them, letters in two encodings, one name of two numbers."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import TypeVar

from candelabra.data.issues import DataIssue, IssueTreatment

Number = TypeVar("Number")
_LISTED = 6


def clean_class_name(name: str) -> str:
    r"""A name without blanks around it, single ones inside, its letters composed.

    >>> clean_class_name(" traffic \t light\ufeff"), clean_class_name("cafe\u0301") == "caf\u00e9"
    ('traffic light', True)
    """
    return " ".join(unicodedata.normalize("NFC", name).replace("\ufeff", "").split())


def clean_class_names(names: Mapping[Number, str], file: str, issues: list[DataIssue]) -> dict[Number, str]:
    """Names of classes by number; one that is empty becomes its number, and equal names are one class.

    Args:
        names: as written.
        file: what issues are listed under.
        issues: list to which issues are appended.
    """
    cleaned = {number: clean_class_name(name) for number, name in names.items()}
    spaced = [names[number] for number, name in cleaned.items() if name and name != names[number]]
    nameless = [str(number) for number, name in cleaned.items() if not name]
    counts: dict[str, list[Number]] = {}
    for number, name in cleaned.items():
        counts.setdefault(name, []).append(number)
    shared = [f"{name}: {', '.join(map(str, own))}" for name, own in counts.items() if name and len(own) > 1]
    for found, what, treatment in (
        (list(map(repr, spaced)), "class name with spaces around it, or letters in two parts", IssueTreatment.REPAIRED),
        (nameless, "class without a name, called by its number", IssueTreatment.REPAIRED),
        (shared, "several numbers have one class name, they are one class", IssueTreatment.REPAIRED),
    ):
        issues += [DataIssue(file, what, treatment, _shorten(found))] if found else []
    return {number: name or str(number) for number, name in cleaned.items()}


def list_case_variants(names: Iterable[str], issues: list[DataIssue]) -> None:
    """Appends an issue for classes whose names differ in letter case only: they stay apart."""
    by_fold: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_fold.setdefault(name.casefold(), []).append(name)
    found = [" and ".join(own) for own in by_fold.values() if len(own) > 1]
    if found:
        what = "class names that differ in letter case only, they are several classes"
        issues.append(DataIssue(found[0], what, IssueTreatment.USED, _shorten(found)))


def _shorten(found: list[str]) -> str:
    return ", ".join(found[:_LISTED]) + (f", ... ({len(found)})" if len(found) > _LISTED else "")
