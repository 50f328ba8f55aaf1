"""What is odd in a data set, and what is done about it; docs/issues.md lists every case."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

_QUOTED = 200  # letters of a detail in an error


class IssueTreatment(StrEnum):
    """What is done about something odd."""

    USED = "used"  # as it is, for it does no harm
    DOUBTED = "used, though doubtful"  # results may look better than they are: training warns of it
    REPAIRED = "repaired"  # what was meant is certain
    UNLABELLED = "unlabelled"  # the image stays, the target neither teaches nor counts
    SKIPPED = "skipped"  # the image is left out; data.on_bad=raise refuses the data set instead


class DataIssue(NamedTuple):
    """One odd thing.

    Args:
        name: of the sample, or the file below the root.
        what: is odd, in a few words without numbers that differ from file to file, so that it can be counted.
        treatment: what is done about it.
        detail: the numbers, the library's own words.
    """

    name: str
    what: str
    treatment: IssueTreatment
    detail: str = ""


def summarize_issues(issues: Iterable[DataIssue]) -> str:
    """How often each thing is odd, the most frequent first.

    >>> cmyk = DataIssue("a", "CMYK", IssueTreatment.USED)
    >>> summarize_issues([DataIssue("c", "unreadable", IssueTreatment.SKIPPED), cmyk, cmyk])
    '2 x CMYK (used), 1 x unreadable (skipped)'
    """
    counts = Counter((each.what, each.treatment.value) for each in issues)
    return ", ".join(f"{count} x {what} ({treatment})" for (what, treatment), count in counts.most_common())


def describe_issues(issues: Sequence[DataIssue], most: int = 3) -> str:
    """What was found, for the end of an error: each kind once with its number and first example; empty for none.

    >>> describe_issues([DataIssue("a.xml", "malformed xml", IssueTreatment.UNLABELLED, "no name")])
    ' What was found: 1 x malformed xml (a.xml: no name).'
    """
    counts = Counter(each.what for each in issues)
    first = {each.what: each for each in reversed(issues)}
    words = [
        f"{count} x {what} ({first[what].name}{': ' if first[what].detail else ''}{first[what].detail[:_QUOTED]})"
        for what, count in counts.most_common(most)
    ]
    return f" What was found: {'; '.join(words)}." if words else ""


def write_issues(issues: Iterable[DataIssue], path: Path) -> None:
    """A table, one row a thing that is odd; bytes of names that are no UTF-8 come as in `paths.shown`."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(DataIssue._fields)
        table.writerows(issues)
