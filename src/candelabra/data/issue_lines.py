"""What is odd in a data set, a line for each kind."""

from collections.abc import Iterable

from candelabra.data.issues import DataIssue

_LONGEST = 300  # letters of a detail


def list_issue_lines(issues: Iterable[DataIssue]) -> list[str]:
    """A line for each kind of issue, the most frequent first: how often it is there, what is done, and an example.

    >>> from candelabra.data.issues import IssueTreatment
    >>> list_issue_lines([DataIssue("a.jpg", "box is inverted", IssueTreatment.REPAIRED, "9, 9, 1, 1")] * 2)
    ['box is inverted: 2 times, repaired (a.jpg: 9, 9, 1, 1; ...).']
    """
    groups: dict[tuple[str, str], list[DataIssue]] = {}
    for each in issues:
        groups.setdefault((each.what, str(each.treatment)), []).append(each)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [describe_issue_kind(what, treatment, found) for (what, treatment), found in ordered]


def describe_issue_kind(what: str, treatment: str, found: list[DataIssue]) -> str:
    """The line of one kind of issue."""
    first = found[0]
    detail = first.detail if len(first.detail) <= _LONGEST else f"{first.detail[:_LONGEST]}..."
    example = ": ".join(word for word in (first.name, detail) if word)
    times = f"{len(found)} {'time' if len(found) == 1 else 'times'}"
    return f"{what}: {times}, {treatment} ({example}{'; ...' if len(found) > 1 else ''})."
