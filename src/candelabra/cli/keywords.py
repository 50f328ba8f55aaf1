"""Composes the config of a command from keyword arguments of Python, as `compose` does from the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.cli.compose import expand_overrides, prepare_command
from candelabra.cli.exit_codes import format_error
from candelabra.cli.plugin_commands import activate_typed_plugins, add_config_folders
from candelabra.cli.typed_words import normalize_words, quote_value
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError


def compose_keywords(command: str, options: Mapping[str, Any]) -> Any:
    """The config of conf/<command>.yaml with options that were given in Python; see `format_overrides`.

    The folder of the results is `folder`, or runs/<time>.

    Raises:
        CandelabraError: an option is not known, or its value is not allowed.
    """
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import open_dict
    from omegaconf.errors import OmegaConfBaseException

    overrides = format_overrides(options)
    activate_typed_plugins(overrides)
    add_config_folders()
    try:
        words = expand_overrides(command, normalize_words(overrides, multirun=False))
        with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            config = hydra.compose(command, [*words, "hydra.job.num=0"], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise CandelabraError(format_error(error)) from error
    with open_dict(config):
        config.hydra.runtime.output_dir = config.hydra.run.dir
        HydraConfig.instance().set_config(config)
        config.folder = str(config.folder)
        config.pop("hydra")
    prepare_command(command, config)
    return config


def format_overrides(options: Mapping[str, Any]) -> list[str]:
    """Writes options as key=value in Hydra's grammar.

    Args:
        options: by key; mappings are options below a key, and data=<folder> is data.root=<folder>.

    >>> format_overrides({"task": "classification", "epochs": 5, "data": {"size": [64, 48], "val": None}})
    ['task=classification', 'epochs=5', 'data.size=[64,48]', 'data.val=null']
    """
    words: list[str] = []
    for key, value in options.items():
        if isinstance(value, Mapping):
            words += [f"{key}.{word}" for word in format_overrides(value)]
        elif key == "data" and Path(value).is_dir():
            words.append(f"data.root={quote_value(str(value))}")
        else:
            words.append(f"{key}={_format_value(value, nested=False)}")
    return words


def _format_value(value: Any, nested: bool = True) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_format_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(_format_value(each) for each in value) + "]"
    plain = isinstance(value, int | float) or (isinstance(value, str) and value.isidentifier() and not nested)
    return str(value) if plain else quote_value(str(value))
