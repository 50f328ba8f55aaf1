"""In what configs differ: plain nodes side by side, without what does not change a result."""

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

_OF_NO_ACCOUNT = ["folder", "words", "resume", "overwrite", "logger", "save", "cache", "range"]
_OF_NO_ACCOUNT += ["data.root", "data.download", "data.workers", "trainer.enable_progress_bar"]
_OF_NO_ACCOUNT += [f"data.sets.*.{key}" for key in ("root", "download", "workers")]
_OF_NO_ACCOUNT += ["trainer.enable_model_summary", "trainer.log_every_n_steps"]
_COPIES = {"task.balance": "balance", "trainer.max_epochs": "epochs", "optimizer.lr": "lr"}  # by conf/, of one word


def flatten_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config without its seeds, and without what does not change the result of a run."""
    kept: dict[str, Any] = _seedless(copy.deepcopy(dict(config)))
    if "lr=auto" in kept.get("words", []):  # what was found differs from seed to seed
        kept["lr"] = kept["optimizer"]["lr"] = "auto"
    for path in _OF_NO_ACCOUNT:
        _drop(kept, path.split("."))
    return kept


def find_seeds(config: Any, path: str = "") -> dict[str, Any]:
    """Every key `seed` of a config: those of data and balance mostly follow the run's."""
    if not isinstance(config, Mapping):
        return {}
    found = {f"{path}seed": config["seed"]} if not isinstance(config.get("seed", {}), Mapping) else {}
    for key, value in config.items():
        found |= find_seeds(value, f"{path}{key}.")
    return found


def _seedless(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {key: _seedless(value) for key, value in node.items() if key != "seed" or isinstance(value, dict)}


def _drop(node: Any, way: Sequence[str]) -> None:
    """Takes one key away, of each node where a part of the way is a star."""
    if not isinstance(node, dict):
        return
    if len(way) == 1:
        node.pop(way[0], None)
        return
    for child in [*node.values()] if way[0] == "*" else [node.get(way[0])]:
        _drop(child, way[1:])


def diff_configs(nodes: Sequence[Any]) -> dict[str, list[str]]:
    """The keys in which configs differ, each with one word a config; a key that is missing is null.

    Where configs name different classes, or none, that is one difference, however many arguments they have.

    >>> diff_configs([{"lr": 0.1, "size": 64}, {"lr": 0.2, "size": 64}])
    {'lr': ['0.1', '0.2']}
    >>> diff_configs([{"mask": None}, {"mask": {"_target_": "heads.Mask", "dice": 1}}])
    {'mask': ['null', 'Mask']}
    """
    found = _differing(nodes, "")
    for copied, original in _COPIES.items():
        for key in [key for key in found if key == copied or key.startswith(f"{copied}.")]:
            if found[key] == found.get(original + key.removeprefix(copied)):
                del found[key]
    return found


def _differing(nodes: Sequence[Any], path: str) -> dict[str, list[str]]:
    if all(node == nodes[0] for node in nodes):
        return {}
    if not all(isinstance(node, dict) for node in nodes) or len({node.get("_target_") for node in nodes}) > 1:
        return {path: [_word(node, nodes) for node in nodes]}
    found: dict[str, list[str]] = {}
    for key in dict.fromkeys(key for node in nodes for key in node):
        found |= _differing([node.get(key) for node in nodes], f"{path}.{key}" if path else str(key))
    return found


def _word(node: Any, beside: Sequence[Any]) -> str:
    """A class by its name, and by the arguments in which it differs from others of that class."""
    if not isinstance(node, dict) or "_target_" not in node:
        return node if isinstance(node, str) else json.dumps(node, separators=(",", ":"), default=str)
    kin = [other for other in beside if isinstance(other, dict) and other.get("_target_") == node["_target_"]]
    inside = ", ".join(f"{key}={words[0]}" for key, words in _differing([node, *kin], "").items())
    name = str(node["_target_"]).rpartition(".")[2]
    return f"{name}({inside})" if inside else name
