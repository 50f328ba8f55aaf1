"""Arguments of the commands that compose no config: positional words and `key=value` options."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from candelabra.errors import CandelabraError

_SWITCHES = {"true": True, "false": False}


@dataclass(frozen=True)
class Arguments:
    """Parsed words of the command line.

    Attributes:
        positional: words without a key, in their order.
        options: values by key; of a key that was given twice, the last.
    """

    positional: Sequence[str]
    options: Mapping[str, str]

    def switch(self, key: str, default: bool = False) -> bool:
        """The value of an option that is true or false.

        Raises:
            CandelabraError: it is neither.
        """
        value = self.options.get(key, str(default).lower())
        if value not in _SWITCHES:
            raise CandelabraError(f"{key}={value} is not known; allowed are true or false.")
        return _SWITCHES[value]

    def number(self, key: str, default: int, least: int, most: int, unit: str) -> int:
        """The value of an option that is a whole number.

        Raises:
            CandelabraError: it is none, or is out of range.
        """
        value = self.options.get(key, str(default))
        if not value.isdecimal() or not least <= int(value) <= most:
            raise CandelabraError(f"{key}={value} cannot be used; allowed are {unit}, {least} to {most}.")
        return int(value)

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """The value of an option that is one of some words; the first is the default.

        Raises:
            CandelabraError: it is another word.
        """
        value = self.options.get(key, allowed[0])
        if value not in allowed:
            raise CandelabraError(f"{key}={value} is not known; allowed are {' or '.join(allowed)}.")
        return value


def parse_arguments(words: Sequence[str], keys: Collection[str], user: str | None = None) -> Arguments:
    """Divides words into options with a known key and positional words.

    Args:
        words: as typed.
        keys: of the options.
        user: of the message about an unknown key; null takes words with an unknown key as positional ones, as they may
            be folders: runs/lr=0.1.

    Raises:
        CandelabraError: a key is unknown.

    >>> parse_arguments(["runs/lr=0.1", "folder=out"], ["folder"])
    Arguments(positional=['runs/lr=0.1'], options={'folder': 'out'})
    """
    positional, options = [], {}
    for word in words:
        key, sign, value = word.partition("=")
        if sign and key in keys:
            options[key] = value
        elif sign and user is not None:
            raise CandelabraError(f"{key}= is not known; {user} takes {', '.join(keys)}.")
        else:
            positional.append(word)
    return Arguments(positional, options)
