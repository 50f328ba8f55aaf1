"""Plug-ins: importable packages outside of candelabra that add options of any config group, and commands.

Of a plug-in `mine`, `mine/conf/` is laid out as candelabra's conf/ and is searched after it, and
`mine/commands/<word>.py` has the function `run_<word>`. candelabra finds a plug-in by the entry point group
`candelabra.plugins` of an installed package, by `plugins=[./mine]` on the command line, or by the environment variable
CANDELABRA_PLUGINS=./mine:./other. This module imports nothing heavy, as help and completion use it.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
PLUGINS_VARIABLE = "CANDELABRA_PLUGINS"
ENTRY_POINT_GROUP = "candelabra.plugins"
_ACTIVE_VARIABLE = "CANDELABRA_ACTIVE_PLUGINS"  # those of this process, as JSON: child processes inherit them
_VERSION = re.compile(r"""^__version__\s*(?::\s*str\s*)?=\s*["']([^"']+)["']""", re.MULTILINE)
_TARGET = re.compile(r"""^[\s-]*_target_:\s*["']?([^\s"'#]+)["']?\s*(?:#.*)?$""", re.MULTILINE)
OptionClass = TypeVar("OptionClass")
PluginRecord = dict[str, str | None]


@dataclass(frozen=True)
class Plugin:
    """An importable package that extends candelabra.

    Attributes:
        name: of the package, as it is imported.
        version: of the distribution that installed it, else its `__version__`; none where it has neither.
        folder: of the package.
        path: by which it was named; none where it is installed.
    """

    name: str
    version: str | None
    folder: str
    path: str | None = None

    @property
    def config_folder(self) -> Path:
        """The root of its config groups; need not exist."""
        return Path(self.folder, "conf")

    def record(self) -> PluginRecord:
        """Name, version and path, as config.yaml and checkpoints keep them; the path is relative where it can be."""
        return {"name": self.name, "version": self.version, "path": self.path}


def find_plugins(words: Sequence[str] = ()) -> list[Plugin]:
    """Finds the plug-ins named by words, by CANDELABRA_PLUGINS and by entry points; of one name the first counts.

    Args:
        words: folders of packages, or names of importable packages.

    Raises:
        CandelabraError: a word names no package.
    """
    variable = [word for word in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if word]
    found: dict[str, Plugin] = {}
    for plugin in [*map(open_plugin, [*words, *variable]), *find_installed_plugins()]:
        found.setdefault(plugin.name, plugin)
    return list(found.values())


def open_plugin(word: str) -> Plugin:
    """Finds a plug-in by the folder of a package or by the name of an importable package.

    Raises:
        CandelabraError: there is neither.
    """
    folder = Path(word).expanduser().absolute()
    if (folder / "__init__.py").is_file():
        path = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
        return Plugin(folder.name, _read_version(folder), str(folder), str(path))
    if word.isidentifier() and (installed := _importable_folder(word)) is not None:
        return Plugin(word, _read_version(installed), str(installed))
    raise CandelabraError(
        f"plugins={word} is not a plug-in; give the folder of a Python package (it holds __init__.py), or the name of "
        "an installed one."
    )


def activate_plugins(plugins: Iterable[Plugin]) -> None:
    """Makes plug-ins, and no others, those of this process and of its children, and their packages importable.

    Raises:
        CandelabraError: another package has the name of one.
    """
    chosen = list(plugins)
    for plugin in chosen:
        parent = str(Path(plugin.folder).parent)
        if plugin.path is not None and parent not in sys.path:
            sys.path.append(parent)
        if _importable_folder(plugin.name) != Path(plugin.folder).resolve():
            raise CandelabraError(
                f"plugins={plugin.path or plugin.name}: another package is called {plugin.name} "
                f"({_importable_folder(plugin.name)}); rename the folder."
            )
    os.environ[_ACTIVE_VARIABLE] = json.dumps([asdict(plugin) for plugin in chosen])


def list_active_plugins() -> list[Plugin]:
    """The plug-ins of this process; outside of the command line those of CANDELABRA_PLUGINS and of entry points."""
    if not os.environ.get(_ACTIVE_VARIABLE):
        activate_plugins(find_plugins())
    return [Plugin(**each) for each in json.loads(os.environ[_ACTIVE_VARIABLE])]


def import_plugin_modules(word: str) -> None:
    """Imports `<plug-in>.<word>` of each plug-in of this process that has such a module, as `targets`."""
    for plugin in list_active_plugins():
        if Path(plugin.folder, f"{word}.py").is_file():
            import_module(f"{plugin.name}.{word}")


def list_config_folders() -> list[Path]:
    """The roots of config groups, in the order of search: that of candelabra, then those of plug-ins."""
    return [CONFIG_FOLDER, *(each.config_folder for each in list_active_plugins() if each.config_folder.is_dir())]


def is_named_by_option(name: str) -> bool:
    """Whether a yaml of candelabra's conf/ or of an active plug-in's has this `_target_`."""
    _, *further = list_config_folders()
    return name in _list_own_targets() or any(name in _read_targets(folder) for folder in further)


@cache
def _list_own_targets() -> frozenset[str]:
    return _read_targets(CONFIG_FOLDER)  # once, as a run asks for some twenty names; a plug-in may be under way


def _read_targets(folder: Path) -> frozenset[str]:
    """Each `_target_` of the yamls in a folder."""
    texts = (path.read_text(encoding="utf-8") for path in folder.rglob("*.yaml"))
    return frozenset(name for text in texts for name in _TARGET.findall(text))


def import_option_classes(group: str, base: type[OptionClass]) -> list[type[OptionClass]]:
    """Imports the classes of active plug-ins that their options name as `_target_`; other packages do not count.

    Args:
        group: of the config, such as data.
        base: of the classes.
    """
    import yaml

    found: list[type[OptionClass]] = []
    for plugin in list_active_plugins():
        for path in sorted((plugin.config_folder / group).glob("*.yaml")):
            node = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            module, _, name = str(node.get("_target_")).rpartition(".")
            if module.partition(".")[0] == plugin.name:
                option = getattr(import_module(module), name, None)
                found += [option] if isinstance(option, type) and issubclass(option, base) else []
    return found


def find_installed_plugins() -> list[Plugin]:
    """Plug-ins that installed distributions register as entry points."""
    files = (file for place in sys.path for file in Path(place or ".").glob("*.dist-info/entry_points.txt"))
    if not any(ENTRY_POINT_GROUP in file.read_text(encoding="utf-8") for file in files):
        return []  # importlib.metadata takes longer than all the rest of --help
    from importlib.metadata import entry_points

    found = []
    for point in entry_points(group=ENTRY_POINT_GROUP):
        folder = _importable_folder(point.module)
        if folder is None:
            log.warning("the plug-in %s is registered but cannot be imported; it is left out", point.module)
            continue
        found.append(Plugin(point.module, point.dist.version if point.dist else None, str(folder)))
    return found


def _importable_folder(name: str) -> Path | None:
    """The folder of a top-level package; none where it cannot be imported. The package itself is not imported."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return (
        Path(spec.origin).resolve().parent
        if spec is not None and spec.origin and spec.submodule_search_locations
        else None
    )


def _read_version(folder: Path) -> str | None:
    found = _VERSION.search((folder / "__init__.py").read_text(encoding="utf-8"))
    return found[1] if found else None
