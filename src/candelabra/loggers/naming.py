"""Names for loggers: flat config keys, run names, and the sweep of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra_plugins.candelabra_sweeper.jobs import SWEEP

_ID = ".id"  # ends the files of the run folder that say by which id a tracker knows the run


def flatten_config(node: Any, path: str = "") -> dict[str, Any]:
    """Flattens a nested config to dotted keys; lists are values.

    >>> flatten_config({"data": {"size": 64, "targets": ["label"]}, "seed": 0})
    {'data.size': 64, 'data.targets': "['label']", 'seed': 0}
    """
    if isinstance(node, Mapping) and node:
        parts = [flatten_config(value, f"{path}.{key}" if path else str(key)) for key, value in node.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {path: node if isinstance(node, bool | int | float | str | None) else str(node)}


def find_sweep(folder: Path) -> Path | None:
    """Returns the sweep folder of a run; None for a single run."""
    parent = folder.absolute().parent
    return parent if (parent / SWEEP).is_file() else None


def name_group(folder: Path) -> Path:
    """Returns the folder that holds runs and sweeps, for what they share."""
    return (find_sweep(folder) or folder.absolute()).parent


def name_run(folder: Path) -> str:
    """Returns the name of a run: sweep folder and run folder."""
    sweep, name = find_sweep(folder), folder.absolute().name
    return f"{sweep.name}/{name}" if sweep else name


def read_tracker_id(folder: Path, word: str) -> str | None:
    """Returns the id of this run in a logger; None if it has none yet."""
    path = folder / f"{word}{_ID}"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def write_tracker_id(folder: Path, word: str, number: str) -> None:
    """Writes that id. Each logger has a file of its own, as each runs in a thread of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{word}{_ID}").write_text(f"{number}\n", encoding="utf-8")
