"""Parse overrides of the command line. Imports only the standard library, as the command line imports it early."""

from collections.abc import Sequence
from pathlib import Path


def parse_key(word: str) -> str:
    """Return the config key that an override sets: task.label for `head@task.label=x`."""
    group, _, package = word.lstrip("+~").partition("=")[0].partition("@")
    return package or group


def resolve_run_folder(given: Path) -> Path:
    """Return the folder of a run, given that folder or one of its checkpoints."""
    return given.parent.parent if given.is_file() else given


def shorten_keys(keys: Sequence[str]) -> list[str]:
    """Shortens each key to its last parts that are unique.

    >>> shorten_keys(["optimizer.lr", "lr", "finetune.decay"])
    ['optimizer.lr', 'lr', 'decay']
    """

    def shorter(key: str) -> str:
        parts = key.split(".")
        others = [other.split(".") for other in keys if other != key]
        lengths = range(1, len(parts) + 1)
        return next((".".join(parts[-n:]) for n in lengths if all(o[-n:] != parts[-n:] for o in others)), key)

    return [shorter(key) for key in keys]


def shorten_text(word: str) -> str:
    """Rounds a number to four digits; returns other text unchanged.

    >>> shorten_text("0.00012345678"), shorten_text("full"), shorten_text("3")
    ('0.0001235', 'full', '3')
    """
    try:
        short = f"{float(word):.4g}"
    except ValueError:
        return word
    return short if len(short) < len(word) else word
