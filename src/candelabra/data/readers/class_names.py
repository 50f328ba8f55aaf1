"""Names of classes as people write them: blanks around them, letters in two encodings, one name of two numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from candelabra.data.class_words import clean_class_name
from candelabra.data.issues import DataIssue, IssueTreatment

Number = TypeVar("Number")
_LISTED = 6


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


def list_one_class_folders(folders: Sequence[str], classes: Sequence[str], issues: list[DataIssue]) -> None:
    """Appends an issue for folders that are one class, as their names differ in spaces or in the form of letters.

    Args:
        folders: of each image, as it is called.
        classes: of each image, as it is cleaned.
        issues: list to which an issue is appended.
    """
    called: dict[str, dict[str, None]] = {}
    for folder, name in zip(folders, classes, strict=True):
        called.setdefault(name, {})[folder] = None
    found = [" and ".join(map(repr, own)) for own in called.values() if len(own) > 1]
    if found:
        what = "folders whose names differ in spaces or in the form of letters, they are one class"
        issues.append(DataIssue(found[0], what, IssueTreatment.REPAIRED, _shorten(found)))


def _shorten(found: list[str]) -> str:
    return ", ".join(found[:_LISTED]) + (f", ... ({len(found)})" if len(found) > _LISTED else "")
