"""What is odd in a data set, and what is done about it; docs/data.md lists every case."""

from enum import StrEnum
from typing import NamedTuple


class Treatment(StrEnum):
    """What is done about something odd."""

    USED = "used"  # as it is, for it does no harm
    REPAIRED = "repaired"  # what was meant is certain
    UNLABELLED = "unlabelled"  # the image stays, the target neither teaches nor counts
    SKIPPED = "skipped"  # the image is left out; data.on_bad=raise refuses the data set instead


class Oddity(NamedTuple):
    """One odd thing.

    Args:
        name: of the sample, or the file below the root.
        what: is odd, in a few words without numbers that differ from file to file, so that it can be counted.
        treatment: what is done about it.
        detail: the numbers, the library's own words.
    """

    name: str
    what: str
    treatment: Treatment
    detail: str = ""
