"""The options that contract tests run over: the classes that yamls of conf/ name, plug-ins' included."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object

from candelabra.data.targets import Target, list_target_classes
from candelabra.plugins.discovery import list_config_folders


def list_options(group: str) -> dict[str, Callable[..., Any]]:
    """For each option of a config group, what builds it from the remaining arguments.

    Only plain values of a yaml are used; nested options, such as a decoder, keep the constructor's default.

    Args:
        group: of the config, such as head or balance.
    """
    return {path.stem: read_option(path) for path in _find_yamls(group) if "_target_" in _read_yaml(path)}


def read_option(path: Path) -> Callable[..., Any]:
    """What builds the option that a yaml describes."""
    node = _read_yaml(path)
    plain = {key: value for key, value in node.items() if key[0] != "_" and key != "defaults" and _is_plain(value)}
    return partial(get_object(str(node["_target_"])), **plain)


def list_targets() -> dict[str, type[Target]]:
    """All target classes, those that plug-ins' heads import included."""
    list_options("head")
    return list_target_classes()


def _find_yamls(group: str) -> Iterator[Path]:
    for folder in list_config_folders():
        yield from sorted((folder / group).glob("*.yaml"))


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _is_plain(value: Any) -> bool:
    """Whether a value needs no composition: neither nested, nor interpolated, nor missing."""
    return not isinstance(value, dict) and "${" not in str(value) and value != "???"
