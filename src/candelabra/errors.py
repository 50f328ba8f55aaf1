"""What the command line catches and prints as a sentence."""

from collections.abc import Iterable
from difflib import get_close_matches


class CandelabraError(ValueError):
    """What the user typed or gave cannot be used; the message says what is allowed and what to do."""


class UnreadableFile(CandelabraError):
    """A file that cannot be read as what it should be.

    It is a `ValueError`: order `except` clauses accordingly.
    """


class Interrupted(Exception):
    """A signal asked to stop, or a process is gone, and what was learnt is saved; the message says how to go on."""

    code = 75  # of the exit (EX_TEMPFAIL of sysexits.h)


def list_nearest(word: str, allowed: Iterable[str], most: int = 8) -> str:
    """Lists `allowed` in words for an error message, the names nearest to `word` first; "none" for none.

    >>> list_nearest("resnet5O", ["alexnet", "resnet50", "vgg16"])
    'resnet50, alexnet, vgg16'
    """
    names = list(allowed) or ["none"]
    close = get_close_matches(word, names, n=most, cutoff=0.5)
    listed = close + [name for name in names if name not in close]
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
