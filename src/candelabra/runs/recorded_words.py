"""Words of a command line that a file records: of a run that is resumed, of a sweep that goes on."""

import re
from collections.abc import Sequence
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.plugins.records import is_own_folder
from candelabra.runs.listed_targets import LISTED_PACKAGES, is_listed
from candelabra.runs.overrides import parse_key

_OPTUNA = ("optuna.samplers", "optuna.pruners")
_NAMES = re.compile(r"[\w.]+(,[\w.]+)*")
_CHOICE = re.compile(r"hydra/(launcher|sweeper)=\w+|hydra\.sweep\.subdir=[^=]*|\+*hydra\.sweeper\.retry=[\d,\[\]]*")
_FOLDER = "--config-dir"


def check_recorded_words(words: Sequence[str], source: Path) -> None:
    """Checks words before they take effect as if they had been typed.

    Hydra itself runs what its config names (callbacks, launchers, logging), and reads further yamls from the folders
    that it is told of; a file must not tell it.

    Args:
        words: that the file records, without those that are typed now.
        source: the file, in whose neighbourhood no folder of config may lie.

    Raises:
        CandelabraError: a word sets options of Hydra, names a class that no option is, or a folder of another place.
    """
    for word in words:
        key, flag = parse_key(word).replace("/", "."), word.startswith("-")
        if flag and word.partition("=")[0] == _FOLDER and is_own_folder(Path(word.partition("=")[2]), source):
            continue
        hydra = key.partition(".")[0] == "hydra" and not _CHOICE.fullmatch(word)
        value = word.partition("=")[2].strip()
        named = "_target_" in word and not (
            _NAMES.fullmatch(value) and all(is_listed(each, (*LISTED_PACKAGES, *_OPTUNA)) for each in value.split(","))
        )
        if flag or hydra or named:
            raise CandelabraError(
                f"{source} says {word[:200]}, which could run any code and is therefore not taken from a file; if you "
                "trust it, type this word too."
            )
