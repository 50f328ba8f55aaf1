"""Configs as Hydra composes them; what tests choose from groups again and again is composed once a process.

What is kept is pickled: reading it takes a sixth of the time of a deep copy.
"""

import os
import pickle
from dataclasses import replace
from functools import cache

from hydra import compose, initialize_config_dir
from hydra._internal import defaults_list as hydra_defaults
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.defaults_list import Overrides
from hydra.core.default_element import InputDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from candelabra.environment import CONFIG_FOLDER

load_config, create_map = ConfigRepository.load_config, hydra_defaults._create_interpolation_map
loaded: dict[tuple[tuple[str, ...], str], tuple[ConfigResult, bytes]] = {}


def load_config_once(repository: ConfigRepository, config_path: str) -> ConfigResult | None:
    """A file of the searched folders, parsed when it is first asked for; parsing is a third of composing."""
    key = tuple(source.path for source in repository.sources), config_path
    if key not in loaded and (found := load_config(repository, config_path)) is not None:
        loaded[key] = found, pickle.dumps(found.config)
    return replace(loaded[key][0], config=pickle.loads(loaded[key][1])) if key in loaded else None


def create_used_map(overrides: Overrides, defaults_list: list[InputDefault], self_added: bool) -> DictConfig:
    """What `${...}` in defaults may name; Hydra makes it for each file, a third of composing, and few have any."""
    used = any(each.is_interpolation() for each in defaults_list)
    return create_map(overrides, defaults_list, self_added) if used else OmegaConf.create()


ConfigRepository.load_config = load_config_once  # type: ignore[assignment, method-assign]
hydra_defaults._create_interpolation_map = create_used_map


def compose_config(command: str, words: list[str]) -> DictConfig:
    """The config of conf/<command>.yaml with words in Hydra's grammar.

    Composing takes 0.2 s; values that are set one by one are set in a copy of what was composed before.
    """
    parsed = [parse_word(word) for word in words]
    values = [each for each in parsed if sets_value(each)]
    chosen = [each.input_line for each in parsed if not sets_value(each)]
    plugins = os.environ.get("CANDELABRA_ACTIVE_PLUGINS", "")  # their folders are searched, too
    if any(each is None or ("@" not in each and each.startswith(("+", "~"))) for each in chosen):
        return compose_anew(command, words)  # keys that are added may follow upon others, and lead them
    config: DictConfig = pickle.loads(compose_once(command, tuple(chosen), plugins))
    try:
        for each in values:
            OmegaConf.update(config, each.key_or_group, each.value(), merge=True)
    except OmegaConfBaseException:
        return compose_anew(command, words)  # Hydra's own error
    return config


@cache
def parse_word(word: str) -> Override:
    return OverridesParser.create().parse_override(word)


def sets_value(override: Override) -> bool:
    """Whether a word sets a value that the config has, rather than choosing from a group or adding to the config."""
    key = override.key_or_group
    plain = not (override.is_add() or override.is_force_add() or override.is_delete() or override.is_sweep_override())
    return plain and override.package is None and not (CONFIG_FOLDER / key).is_dir()


@cache
def compose_once(command: str, words: tuple[str, ...], plugins: str) -> bytes:
    return pickle.dumps(compose_anew(command, list(words)))


def compose_anew(command: str, words: list[str]) -> DictConfig:
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        return compose(command, words)
