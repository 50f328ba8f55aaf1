"""What trackers call things: flat keys of a config, names of runs, and the sweep that a run belongs to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra_plugins.candelabra_sweeper.jobs import SWEEP

_ID = ".id"  # ends the files of the run folder that say by which id a tracker knows the run


def flatten_config(node: Any, path: str = "") -> dict[str, Any]:
    """A nested config by dotted keys, as one types them; lists are values.

    >>> flatten_config({"data": {"size": 64, "targets": ["label"]}, "seed": 0})
    {'data.size': 64, 'data.targets': "['label']", 'seed': 0}
    """
    if isinstance(node, Mapping) and node:
        parts = [flatten_config(value, f"{path}.{key}" if path else str(key)) for key, value in node.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {path: node if isinstance(node, bool | int | float | str | None) else str(node)}


def find_sweep(folder: Path) -> Path | None:
    """The folder of the sweep that a run is a job of; none for a run by itself."""
    parent = folder.absolute().parent
    return parent if (parent / SWEEP).is_file() else None


def name_group(folder: Path) -> Path:
    """The folder that holds runs and sweeps: where those find what they share."""
    return (find_sweep(folder) or folder.absolute()).parent


def name_run(folder: Path) -> str:
    """A run's name: that of its folder, after that of its sweep."""
    sweep, name = find_sweep(folder), folder.absolute().name
    return f"{sweep.name}/{name}" if sweep else name


def read_tracker_id(folder: Path, word: str) -> str | None:
    """By which id a tracker knows this run; none where it does not yet."""
    path = folder / f"{word}{_ID}"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def write_tracker_id(folder: Path, word: str, number: str) -> None:
    """Remembers it; a file for each tracker, as each works in a thread of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{word}{_ID}").write_text(f"{number}\n", encoding="utf-8")
