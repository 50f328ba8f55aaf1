"""Plug-ins that a config.yaml or a checkpoint records, found again."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.plugins.discovery import (
    PLUGINS_VARIABLE,
    Plugin,
    activate_plugins,
    find_installed_plugins,
    find_plugins,
    list_active_plugins,
    open_plugin,
)

log = logging.getLogger(__name__)


def restore_plugins(
    records: Iterable[Mapping[str, Any]], words: Sequence[str], user: str, source: Path | None
) -> list[Plugin]:
    """Finds exactly the recorded plug-ins; words may name folders to which they have moved.

    A record alone finds what is installed as a plug-in, and a folder of the user's, see `is_own_folder`. Any other
    package would be code that the file chooses: the user must name it.

    Args:
        records: see `Plugin.record`.
        words: see `find_plugins`.
        user: what needs them, for the message.
        source: the file with the records; none where it is of this very run, and is believed.

    Raises:
        CandelabraError: one is missing, or must be named.
    """
    named = {plugin.name: plugin for plugin in find_plugins(words)}
    found = []
    for record in records:
        name, version, path = (record.get(key) for key in ("name", "version", "path"))
        plugin, hint = named.get(str(name)), "is not found; install it"
        for word in (path, name):
            if plugin is None and word and (Path(word, "__init__.py").is_file() or word == name):
                plugin = _open_or_none(str(word))
                if plugin is not None and source is not None and not _is_trusted(plugin, source):
                    plugin, hint = (
                        None,
                        f"is only used if you name it, as {source} is not of this place; do that if you trust it",
                    )
        if plugin is None or plugin.name != name:
            raise CandelabraError(
                f"{user} needs the plug-in {name}{f' {version}' if version else ''}, which {hint}, "
                f"or name its folder: plugins=[<folder>/{name}] or {PLUGINS_VARIABLE}=<folder>/{name}."
            )
        if plugin.version != version:
            log.warning("%s used version %s of the plug-in %s, now it is %s", user, version, name, plugin.version)
        found.append(plugin)
    return found


def require_plugins(records: Sequence[Mapping[str, Any]], user: str, source: Path) -> None:
    """Makes the recorded plug-ins importable beside those that are active.

    Raises:
        CandelabraError: one is missing, or must be named; see `restore_plugins`.
    """
    if records:
        active = list_active_plugins()
        words = [plugin.path or plugin.name for plugin in active]
        needed = restore_plugins(records, words, user, source)
        activate_plugins({plugin.name: plugin for plugin in [*active, *needed]}.values())


def is_own_folder(folder: Path, source: Path) -> bool:
    """Whether a folder that a file records is the user's own: below the working folder, and not beside the file.

    A downloaded run may bring a package or yamls along; they lie in the same folder of the working folder as the file.

    Args:
        folder: as recorded.
        source: the file that records it, or its folder.
    """
    here = Path.cwd().resolve()
    place, origin = (here / folder).resolve(), (here / source).resolve()
    if folder.is_absolute() or ".." in folder.parts or not place.is_relative_to(here) or place == here:
        return False
    if not origin.is_relative_to(here):
        return True
    if origin == here or (origin.parent == here and origin.is_file()):
        return False
    return place.relative_to(here).parts[0] != origin.relative_to(here).parts[0]


def _is_trusted(plugin: Plugin, source: Path) -> bool:
    if plugin.path is None:
        return plugin.name in {each.name for each in find_installed_plugins()}
    return is_own_folder(Path(plugin.path), source)


def _open_or_none(word: str) -> Plugin | None:
    try:
        return open_plugin(word)
    except CandelabraError:
        return None
