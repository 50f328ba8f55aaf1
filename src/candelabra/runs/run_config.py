"""The config.yaml of a run, as plain values."""

from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.storage.documents import load_yaml


def read_run_config(run: Path) -> dict[str, Any]:
    """Reads the config.yaml of a run; nothing in it is resolved or built.

    Raises:
        CandelabraError: it cannot be read, or is not that of a run.
    """
    import yaml

    path = run / "config.yaml"
    try:
        config = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CandelabraError(f"{path} cannot be read ({' '.join(str(error).split())[:300]}).") from error
    if not isinstance(config, dict):
        raise CandelabraError(f"{path} is not the config of a run.")
    for key in ("words", "plugins"):
        if not isinstance(config.get(key, []), list):
            raise CandelabraError(f"{path}: {key} is no list; the file is damaged.")
    if not all(isinstance(record, dict) for record in config.get("plugins", [])):
        raise CandelabraError(f"{path}: plugins holds something else than name, version and path; it is damaged.")
    return config
