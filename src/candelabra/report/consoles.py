"""Consoles that print names as they are: no markup, no emoji codes."""

from rich.console import Console


def make_console() -> Console:
    """A console of rich for which `[x]` and `:x:` in the name of a class or a file are letters."""
    return Console(markup=False, emoji=False)
