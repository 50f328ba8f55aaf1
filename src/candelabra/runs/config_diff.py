"""Find the differences of configs, without keys that do not change results."""

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.runs.overrides import parse_key

_IGNORED_KEYS = ["folder", "words", "resume", "overwrite", "logger", "save", "cache"]
_IGNORED_KEYS += ["data.download", "data.workers", "trainer.enable_progress_bar"]
_IGNORED_KEYS += [f"data.sets.*.{key}" for key in ("download", "workers")]
_IGNORED_KEYS += ["trainer.enable_model_summary", "trainer.log_every_n_steps"]
# conf/ interpolates the key from the value, or both from one override
_INTERPOLATED = {
    "task.balance": "balance",
    "trainer.max_epochs": "epochs",
    "optimizer.lr": "lr",
}


def flatten_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved config without seeds and without keys that do not change the results of a run.

    Folders of data are written in full, so that one folder counts as one however it was typed.
    """
    kept: dict[str, Any] = _remove_seeds(copy.deepcopy(dict(config)))
    if "lr=auto" in kept.get("words", []):  # the rate that was found differs between seeds
        kept["lr"] = kept["optimizer"]["lr"] = "auto"
    else:
        kept.pop("range", None)  # no rate was looked for
    for path in _IGNORED_KEYS:
        _remove_key(kept, path.split("."))
    _locate_roots(kept, config.get("words") or [])
    return kept


def find_seeds(config: Any, path: str = "") -> dict[str, Any]:
    """Return every key `seed` of a config with its value; those of data and balance usually follow the run's seed."""
    if not isinstance(config, Mapping):
        return {}
    found = {f"{path}seed": config["seed"]} if not isinstance(config.get("seed", {}), Mapping) else {}
    for key, value in config.items():
        found |= find_seeds(value, f"{path}{key}.")
    return found


def _remove_seeds(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {key: _remove_seeds(value) for key, value in node.items() if key != "seed" or isinstance(value, dict)}


def _remove_key(node: Any, path: Sequence[str]) -> None:
    """Remove the key at a path, in place; a star in the path stands for every key of a node."""
    if not isinstance(node, dict):
        return
    if len(path) == 1:
        node.pop(path[0], None)
        return
    for child in [*node.values()] if path[0] == "*" else [node.get(path[0])]:
        _remove_key(child, path[1:])


def _locate_roots(config: Mapping[str, Any], words: Sequence[str]) -> None:
    """Write the folder of each data set in full, in place, where the words of the run or the working folder tell it."""
    typed = {parse_key(word): word.partition("=")[2].strip("'\"") for word in words}
    data = config.get("data")
    sets = data.get("sets") if isinstance(data, dict) else None
    named = {f"data.sets.{name}": node for name, node in sets.items()} if isinstance(sets, dict) else {}
    for key, node in {"data": data, **named}.items():
        if isinstance(node, dict) and isinstance(given := node.get("root"), str):
            root = Path(typed.get(f"{key}.root", given))
            root = root if root.is_absolute() else Path(given)
            node["root"] = str(root.resolve() if root.is_dir() else root)


def diff_configs(nodes: Sequence[Any]) -> dict[str, list[str]]:
    """Return the keys in which configs differ, each with one value per config; a missing key counts as null.

    Different classes, or a class and null, are one difference, whatever their arguments are.

    >>> diff_configs([{"lr": 0.1, "size": 64}, {"lr": 0.2, "size": 64}])
    {'lr': ['0.1', '0.2']}
    >>> diff_configs([{"mask": None}, {"mask": {"_target_": "heads.Mask", "dice": 1}}])
    {'mask': ['null', 'Mask']}
    """
    found = _compare_nodes(nodes, "")
    for copied, original in _INTERPOLATED.items():
        for key in [key for key in found if key == copied or key.startswith(f"{copied}.")]:
            if found[key] == found.get(original + key.removeprefix(copied)):
                del found[key]
    return found


def _compare_nodes(nodes: Sequence[Any], path: str) -> dict[str, list[str]]:
    if all(node == nodes[0] for node in nodes):
        return {}
    if not all(isinstance(node, dict) for node in nodes) or len({node.get("_target_") for node in nodes}) > 1:
        return {path: [_format_node(node, nodes) for node in nodes]}
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for node in nodes for key in node):
        found |= _compare_nodes([node.get(key) for node in nodes], f"{path}.{key}" if path else str(key))
    return found


def _format_node(node: Any, others: Sequence[Any]) -> str:
    """Format a value; a class as its name with the arguments that differ between configs with that class."""
    if not isinstance(node, dict) or "_target_" not in node:
        return node if isinstance(node, str) else json.dumps(node, separators=(",", ":"), default=str)
    same_class = [other for other in others if isinstance(other, dict) and other.get("_target_") == node["_target_"]]
    arguments = ", ".join(f"{key}={words[0]}" for key, words in _compare_nodes([node, *same_class], "").items())
    name = str(node["_target_"]).rpartition(".")[2]
    return f"{name}({arguments})" if arguments else name
