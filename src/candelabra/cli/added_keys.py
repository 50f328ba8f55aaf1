"""Checks keys that were typed with a plus in front: nothing reads one that no yaml of the command has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from candelabra.cli.key_hints import find_meant_words
from candelabra.errors import CandelabraError, list_nearest


def check_added_keys(name: str, config: Any) -> None:
    """Checks the first key of each word such as `+patience=3`, and the second in a node of no class, such as `save`.

    What is below nodes of a class is checked when that is built. Words of a run that goes on were checked before.

    Args:
        name: of the config of the command.
        config: as composed.

    Raises:
        CandelabraError: the command has no such key.
    """
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized() or config.get("resume"):
        return
    words = [word for word in HydraConfig.get().overrides.task if word.startswith("+")]
    added = [word.lstrip("+") for word in words if "@" not in word.partition("=")[0]]
    if not added:
        return
    folders = [Path(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file"]
    known = _read_keys(name, folders)
    for word in added:
        key, _, value = word.partition("=")
        _check_key(key, value, known, folders, config)


def _check_key(key: str, value: str, known: Mapping[str, Any], folders: Sequence[Path], config: Any) -> None:
    first, *rest = key.replace("/", ".").split(".")
    path, keys = [first], known
    if first in known:
        node = known[first]
        if not rest or not isinstance(node, Mapping) or "_target_" in config[first] or rest[0] in node:
            return
        path, keys = [first, rest[0]], node
    elif any((folder / first).is_dir() for folder in folders):  # a config group, whose options are classes
        return
    meant = find_meant_words(key, value, _copy_without(config, path))
    advice = meant or f"allowed are {list_nearest(path[-1], [str(each) for each in keys])}"
    raise CandelabraError(f"{key}={value}: there is no {'.'.join(path)}; {advice}.")


def _read_keys(name: str, folders: Sequence[Path]) -> dict[str, Any]:
    """The keys of the yaml of a command, with their values."""
    import yaml

    path = next(path for folder in folders if (path := folder / f"{name}.yaml").is_file())
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: value for key, value in content.items() if key != "defaults"}


def _copy_without(config: Any, path: Sequence[str]) -> dict[str, Any]:
    """The config as plain values, without the key that was added."""
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(config, resolve=False)
    *parents, last = path
    node = plain
    for parent in parents:
        node = node[parent]
    del node[last]
    plain.pop("hydra", None)
    return dict(plain)
