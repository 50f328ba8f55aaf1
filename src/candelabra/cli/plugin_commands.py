"""What plug-ins add to the command line: their commands, and their config folders on Hydra's search path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from candelabra.plugins.discovery import activate_plugins, find_plugins, list_active_plugins
from candelabra.plugins.records import restore_plugins
from candelabra.runs.overrides import parse_key

_KEY = "plugins"


def activate_typed_plugins(words: Sequence[str]) -> None:
    """Activates what `plugins=`, CANDELABRA_PLUGINS and entry points name.

    Raises:
        CandelabraError: one is not found.
    """
    activate_plugins(find_plugins(read_plugin_words(words)))


def activate_recorded_plugins(config: Any, words: Sequence[str], user: str, source: Path | None) -> None:
    """Activates exactly the plug-ins that the config of a run records.

    Args:
        config: of the run.
        words: of the command line, which may name other folders for them.
        user: what needs them, for the message.
        source: the folder of that run; none for this very run.

    Raises:
        CandelabraError: one is not found.
    """
    activate_plugins(restore_plugins(config.get(_KEY) or [], read_plugin_words(words), user, source))


def read_plugin_words(words: Sequence[str]) -> list[str]:
    """Reads the last `plugins=[./mine,./other]` of the command line.

    >>> read_plugin_words(["lr=0.1", "plugins=[./mine,'./other']"])
    ['./mine', './other']
    """
    given = [word.partition("=")[2] for word in words if word.startswith(f"{_KEY}=")]
    parts = given[-1].strip("'\"").strip("[]").split(",") if given else []
    return [part.strip(" '\"") for part in parts if part.strip(" '\"")]


def drop_plugin_words(words: Sequence[str]) -> list[str]:
    """The words of a command that composes nothing, without `plugins=`."""
    return [word for word in words if parse_key(word) != _KEY or "=" not in word]


def list_plugin_commands() -> dict[str, str]:
    """Commands of the active plug-ins: the module of each by its word."""
    found: dict[str, str] = {}
    for plugin in list_active_plugins():
        for path in sorted(Path(plugin.folder, "commands").glob("[a-z]*.py")):
            found.setdefault(path.stem, f"{plugin.name}.commands.{path.stem}")
    return found


def find_command_config(command: str) -> Path | None:
    """The yaml of a plug-in's command; none where the command composes nothing."""
    paths = (plugin.config_folder / f"{command}.yaml" for plugin in list_active_plugins())
    return next((path for path in paths if path.is_file()), None)


def describe_plugin_command(module: str) -> str:
    """The first line of the docstring of a plug-in's command, read without importing it."""
    import ast

    name, *rest = module.split(".")
    folder = next(plugin.folder for plugin in list_active_plugins() if plugin.name == name)
    source = Path(folder, *rest).with_suffix(".py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or f"a command of {name}").splitlines()[0]


def add_config_folders() -> None:
    """Puts the config folders of the active plug-ins on Hydra's search path, after candelabra's own."""
    from hydra.core.plugins import Plugins

    from candelabra.cli.search_path import PluginSearchPath

    Plugins.instance().register(PluginSearchPath)
