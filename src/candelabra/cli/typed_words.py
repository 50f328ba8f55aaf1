"""Words of the command line in Hydra's grammar: paths are read as typed, and what it cannot read is named.

To Hydra's grammar parentheses, brackets, quotes, commas, `=` and `~` are signs, and it knows no letters beyond ASCII.
In a path all of them are letters.
"""

import os
import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from candelabra.errors import CandelabraError
from candelabra.runs.overrides import parse_key

# Options that name files or folders, or a regular expression in place of a table.
_PATHS = (
    "*.root",
    "*.file",
    "*.images",
    "*.masks",
    "*.annotations",
    "*.path",
    "*.split",
    "*.groups",
    "*.sampler",
    "*.uri",
    "*.colours",
    "backbone.weights",
    "weights",
    "checkpoint",
    "source",
    "resume",
    "folder",
    "*.folder",
    "index",
    "query",
    "run",
    "label",
    "hydra.run.dir",
    "hydra.sweep.dir",
)
# What Hydra takes for one word, and neighbours that only quotes let it read.
_FOREIGN_WORD = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|([^][{}(),:='\"\s]*[^\x00-\x7f][^][{}(),:='\"\s]*)")
_FLAGS_WITH_VALUE = (
    *("config-dir", "config-path", "config-name", "package", "info", "cfg", "experimental-rerun"),
    *("c", "cd", "cn", "cp", "p", "i"),
)
HYDRA_FLAGS = frozenset(
    {f"{'-' * (1 + (len(flag) > 2))}{flag}" for flag in _FLAGS_WITH_VALUE}
    | {"-r", "--run", "-m", "--multirun", "--resolve", "-sc", "--shell-completion", "--hydra-help", "--version"}
)


def expand_home(path: str) -> str:
    """The home in place of a leading `~`; a `Path` would lose what else was typed, as `./`."""
    return os.path.expanduser(path)  # noqa: PTH111


def is_path_key(key: str) -> bool:
    """Whether the value of an option names a file or a folder."""
    return any(fnmatch(key, pattern) for pattern in _PATHS)


def normalize_words(words: Sequence[str], multirun: bool) -> list[str]:
    """Quotes paths where Hydra's grammar needs it, puts the home in place of a leading `~`, and flags in front.

    Args:
        words: as typed behind the command.
        multirun: a comma between values makes several jobs.

    Raises:
        CandelabraError: a word is neither a flag of Hydra nor a readable key=value.
    """
    flags: list[str] = []
    found: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if word.startswith("-"):
            flags.append(_normalize_flag(word))
        elif before.startswith("-") and before.lstrip("-") in _FLAGS_WITH_VALUE:
            flags.append(expand_home(word))
        else:
            found.append(_normalize_word(word, multirun))
    return [*flags, *found]  # Hydra refuses flags amid overrides


def expand_words(words: Sequence[str]) -> list[str]:
    """Puts the home in place of a leading `~` in the words of a command that composes no config.

    Raises:
        CandelabraError: an option has hyphens in front.

    >>> expand_words(["runs/a", "folder=out"])
    ['runs/a', 'folder=out']
    """
    check_hyphens(words)
    found: list[str] = []
    for word in words:
        key, sign, value = word.partition("=")
        named = sign and key.isidentifier()
        found.append(f"{key}={expand_home(value)}" if named else expand_home(word))
    return found


class HyphenedWords(NamedTuple):
    """Words of the command line among which options were typed as other programs have them.

    Args:
        typed: those words, with their values: --epochs 3.
        meant: the same options as key=value.
        others: all other words but flags.
    """

    typed: list[str]
    meant: list[str]
    others: list[str]


def find_hyphens(words: Sequence[str], flags: Collection[str] = ()) -> HyphenedWords:
    """Finds options with hyphens in front; `flags` are none.

    >>> find_hyphens(["data=pets", "--batch-size", "8", "--overwrite"]).meant
    ['batch_size=8', 'overwrite=true']
    """
    found, left = HyphenedWords([], [], []), list(words)
    while left:
        word = left.pop(0)
        flag, sign, value = word.partition("=")
        if not word.startswith("-"):
            found.others.append(word)
        elif flag in flags:
            del left[: not sign and flag.lstrip("-") in _FLAGS_WITH_VALUE]
        else:
            found.typed.append(word)
            if not sign and left and not left[0].startswith("-") and "=" not in left[0]:
                value = left.pop(0)
                found.typed.append(value)
            found.meant.append(f"{flag.lstrip('-').replace('-', '_')}={value or 'true'}")
    return found


def check_hyphens(words: Sequence[str], flags: Collection[str] = ()) -> None:
    """Refuses options with hyphens in front.

    Raises:
        CandelabraError: there is one.

    >>> check_hyphens(["--lr=0.1"])
    Traceback (most recent call last):
    candelabra.errors.CandelabraError: --lr=0.1: options have no hyphens in front; write lr=0.1.
    """
    found = find_hyphens(words, flags)
    if found.typed:
        meant = " ".join(found.meant)
        raise CandelabraError(f"{' '.join(found.typed)}: options have no hyphens in front; write {meant}.")


def quote_value(value: str) -> str:
    r"""A value in quotes, for Hydra's grammar.

    >>> print(quote_value("it's"))
    'it\'s'
    """
    from hydra.core.override_parser.types import Quote, QuotedString

    return QuotedString(text=value, quote=Quote.single).with_quotes()


def read_word(word: str) -> Any:
    """The value of a key=value word as Hydra reads it.

    Raises:
        CandelabraError: Hydra's grammar cannot read it.
    """
    parsed = _parse(word)
    if parsed is None:
        raise CandelabraError(_explain(word))
    return parsed.value()


def _normalize_flag(word: str) -> str:
    flag, sign, value = word.partition("=")
    return f"{flag}={expand_home(value)}" if sign else word


def _normalize_word(word: str, multirun: bool) -> str:
    name, sign, raw = word.partition("=")
    if not sign or not is_path_key(parse_key(word)) or "${" in raw or raw.strip() in ("", "null", "???"):
        if _parse(word) is not None:
            return word
        quoted = f"{name}={_FOREIGN_WORD.sub(_quote_foreign, raw)}"
        if not sign or _parse(quoted) is None:
            raise CandelabraError(_explain(word))
        return quoted
    if not multirun and raw[:1] in "[{" and Path(raw).exists():
        return f"{name}={quote_value(raw)}"
    parsed = _parse(word)
    if parsed is None:
        return f"{name}={_quote_typed(raw)}"
    if parsed.is_sweep_override():
        return word if multirun else f"{name}={quote_value(expand_home(raw))}"
    value = parsed.value()
    if isinstance(value, str):
        return f"{name}={quote_value(expand_home(value))}" if value.startswith("~") else word
    if isinstance(value, bool | int | float):  # a folder called 2024 or yes
        return f"{name}={quote_value(raw)}"
    if isinstance(value, list) and any(str(each).startswith("~") for each in value):
        return f"{name}=[{','.join(quote_value(expand_home(str(each))) for each in value)}]"
    return word


def _quote_typed(raw: str) -> str:
    """A value that Hydra cannot read, as it was meant: a list of paths, or one path."""
    if raw.startswith("[") and raw.endswith("]"):
        parts = [part.strip().strip("'\"") for part in raw[1:-1].split(",")]
        return f"[{','.join(quote_value(expand_home(part)) for part in parts)}]"
    quoted = len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "'\""
    return quote_value(expand_home(raw[1:-1] if quoted else raw))


def _quote_foreign(match: re.Match[str]) -> str:
    return quote_value(match[1]) if match[1] else match[0]


def _parse(word: str) -> Any:
    """The override that Hydra reads; null where its grammar refuses it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _explain(word: str) -> str:
    key, sign, value = word.partition("=")
    if not sign:
        return f"{word} is no option; options are key=value, such as lr=0.1."
    return (
        f"{word} cannot be read: a value with brackets, quotes, commas or = in it needs quotes; write "
        f'"{key.strip()}={_quote_typed(value.strip())}".'
    )
