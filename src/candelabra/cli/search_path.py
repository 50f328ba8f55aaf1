"""Hydra's search path with the config folders of plug-ins; imports Hydra."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from candelabra.plugins.discovery import list_active_plugins


class PluginSearchPath(SearchPathPlugin):
    """Appends the config folders of the active plug-ins, so that an own option cannot be replaced unnoticed."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for plugin in list_active_plugins():
            if plugin.config_folder.is_dir():
                search_path.append(f"plugin-{plugin.name}", f"file://{plugin.config_folder}")
