"""Where caches lie that several runs share."""

import os
import tempfile
from pathlib import Path

from candelabra.environment import CACHE_VARIABLE


def find_cache_folder(name: str) -> Path:
    """The absolute path of one cache; it may not exist yet.

    It is below $CANDELABRA_CACHE where that is set, else below the user's cache folder as the system defines it:
    ~/.cache/candelabra (or $XDG_CACHE_HOME/candelabra) on Linux, ~/Library/Caches/candelabra on macOS. A user
    without a home has it in the folder for temporary files.

    Args:
        name: of the cache, such as `features`.
    """
    given = os.environ.get(CACHE_VARIABLE)
    if given is None:
        from platformdirs import user_cache_path  # not above: `candelabra --help` needs no cache

        found = user_cache_path("candelabra", appauthor=False)
        if not found.is_absolute():  # `~` stays where the system knows no home for this user
            found = Path(tempfile.gettempdir(), "candelabra")
        return found / name
    return Path(given, name).expanduser().absolute()
