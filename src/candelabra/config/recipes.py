"""What a config that was read from a file may build; see docs/architecture.md, "Configs from files".

A recipe is a config from a file: of a checkpoint, a run's config.yaml, an index of vectors. The file may be somebody
else's, so a recipe builds only what options of candelabra are: classes of candelabra, of active plug-ins and of a few
packages of torch, with plain values. What the user types or writes in a yaml of the own command builds anything.

The difference is in the value: `add_typed_marks` turns the names in a composed config into `TypedTarget`, which no file
can hold. A name that is a mere `str` is that of a recipe, wherever it comes from.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

import lightning as L
import torch
from hydra.utils import get_object
from torch.optim.lr_scheduler import LRScheduler

from candelabra.backbones.weights import LOADING_OPTIONS
from candelabra.data.loading.dataset_part import DatasetPart
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.readers.reader import Reader
from candelabra.errors import CandelabraError, list_nearest
from candelabra.plugins.discovery import is_named_by_option
from candelabra.runs.listed_targets import LISTED_PACKAGES, PARTS, PLACES, is_listed

_HOMES = (*LISTED_PACKAGES, "lightning.pytorch.trainer")  # the packages in which their classes are defined
_LIBRARIES = ("torch", "torchvision", "timm", "segmentation_models_pytorch", "torchmetrics", "lightning")
_KINDS = (torch.nn.Module, torch.optim.Optimizer, LRScheduler, L.Trainer)  # of the classes of these
_KEYS = {"_target_", "_partial_", "_args_", "_convert_", "_recursive_"}
_FILE = "A config from a file"
_OF_SEVERAL = ("cache", "logger")  # nodes by name, or options without a class
_LARGEST = 1 << 63
_DEPTH, _VALUES = 32, 100_000  # no config is nested so deep, nor has so many values


class TypedTarget(str):
    """The name of what the user asked for on the command line or in an own yaml; it is not checked."""

    __slots__ = ()


def add_typed_marks(node: Any) -> Any:
    """A copy of a composed config in which names that no recipe may have are those that the user typed."""
    if isinstance(node, Mapping):
        names = {key: value for key, value in node.items() if key == "_target_" and isinstance(value, str)}
        typed = {key: TypedTarget(value) for key, value in names.items() if not is_listed(value)}
        return {**{key: add_typed_marks(value) for key, value in node.items()}, **typed}
    return [add_typed_marks(item) for item in node] if isinstance(node, list | tuple) else node


def drop_typed_marks(node: Any) -> Any:
    """The same config in plain types, to be written."""
    if isinstance(node, Mapping):
        return {key: drop_typed_marks(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [drop_typed_marks(item) for item in node]
    return str(node) if isinstance(node, TypedTarget) else node


def check_recipe(config: Any, source: str) -> None:
    """Checks a config that was read from a file: before anything of it is imported or built.

    Args:
        config: with the keys `backbone`, `task`, `data` and so on.
        source: what holds it, for the message.

    Raises:
        CandelabraError: it names what no option is, holds more than plain values, or is too deep or too large.
    """
    if not isinstance(config, dict):
        raise CandelabraError(f"{source} holds no config; it is damaged, or was not written by candelabra.")
    for path, node in _walk(config, source):
        key, _, inner = path.partition(".")
        allowed = PLACES.get(key, LISTED_PACKAGES)
        _check_node(node, path, (*allowed, *PARTS) if inner else allowed, source)
    for key in PLACES.keys() & config.keys():
        node = config[key]
        if node is not None and not (isinstance(node, dict) and ("_target_" in node or key in _OF_SEVERAL)):
            raise CandelabraError(f"{source}: {key} is no node of a config; the file is damaged.")


def check_node(node: Any) -> None:
    """Checks all of a node that the user did not type; see `check_recipe`."""
    for path, each in _walk(node, _FILE):
        _check_node(each, path, LISTED_PACKAGES, _FILE)


def find_target(node: Mapping[str, Any]) -> Any:
    """The class or function that a node names.

    Raises:
        CandelabraError: the user did not type it, and it is none that a recipe may name.
    """
    name = node["_target_"]
    return get_object(name) if isinstance(name, TypedTarget) else _import_listed(name, "", _FILE)


def _walk(config: Any, source: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All nodes with a `_target_` and their paths, outermost first; checks depth, number and types of values."""
    waiting: list[tuple[str, Any, int]] = [("", config, 0)]
    for _ in range(_VALUES):
        if not waiting:
            return
        path, value, depth = waiting.pop()
        if depth > _DEPTH:
            raise CandelabraError(f"{source} is nested deeper than {_DEPTH} at {path[:80]}...; it is not used.")
        if isinstance(value, dict):
            if "_target_" in value:
                yield path, value
            waiting += [(f"{path}.{key}" if path else str(key), each, depth + 1) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(path, each, depth + 1) for each in value]
        elif isinstance(value, str) and "${" in value:
            raise CandelabraError(f"{source}: {path} is to be resolved ({value[:80]}); values of a file are not.")
        elif isinstance(value, int) and abs(value) >= _LARGEST:
            raise CandelabraError(f"{source}: {path} is {hex(value)[:20]}..., larger than any option; it is not used.")
        elif value is not None and not isinstance(value, bool | int | float | str):
            raise CandelabraError(f"{source}: {path} is a {type(value).__name__} and no plain value; it is not used.")
    raise CandelabraError(f"{source} holds more than {_VALUES} values; it is not used.")


def _check_node(node: Mapping[str, Any], path: str, packages: Sequence[str], source: str) -> None:
    name = node["_target_"]
    if isinstance(name, TypedTarget):
        return
    if not is_listed(name, packages):
        _refuse(name, path, source)
    further = {key for key in node if str(key).startswith("_")} - _KEYS
    options = node.get("options")
    loading = {*node, *(options if isinstance(options, dict) else ())} & LOADING_OPTIONS
    for key in sorted({*further, *loading}):
        raise CandelabraError(f"{source}: {path}.{key} would load or run more than {name} needs; it is not used.")
    _import_listed(name, path, source)


def _import_listed(name: Any, path: str, source: str) -> Any:
    """Imports a name; it must be that of a class which is defined there, or of a function that is an option.

    A name that leads through one module to another (`torch.optim.os.system`) is none: what lies before the last dot
    must be a module itself, and what comes after it must be defined in the same package.
    """
    if not is_listed(name):
        _refuse(name, path, source)
    module, _, last = name.rpartition(".")
    try:
        found = getattr(import_module(module), last, None)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module}.".startswith(f"{error.name}."):
            raise  # a library that it needs is not installed
        found = None
    if found is None and name.startswith("candelabra."):
        near = list_nearest(last, getattr(sys.modules.get(module), "__all__", ()))
        there = f"; {module} has {near}" if near else ""
        raise CandelabraError(f"{source}: {path or 'it'} names {name}, which does not exist{there}.")
    if not (inspect.isclass(found) or inspect.isfunction(found)) or not is_listed(
        f"{found.__module__}.{found.__name__}", _HOMES
    ):
        _refuse(name, path, source)
    usable: bool
    if not inspect.isclass(found):
        usable = is_named_by_option(name)
    elif name.startswith("candelabra.data."):
        usable = issubclass(found, Reader | SampleDataModule | DatasetPart)
    else:
        package = name.partition(".")[0]
        usable = package not in _LIBRARIES or issubclass(found, _KINDS)
    if not usable:
        _refuse(name, path, source)
    return found


def _refuse(name: Any, path: str, source: str) -> None:
    place = f"{path} names " if path else "it names "
    package = str(name).partition(".")[0]
    raise CandelabraError(
        f"{source}: {place}{str(name)[:100]}, which is not built, because the name comes from a file: only classes of "
        "candelabra, of named plug-ins and of torch.optim, torch.nn, torchvision.ops, timm, torchmetrics and "
        f"segmentation_models_pytorch are. If you trust the file, name its package: plugins=[{package[:40]}]."
    )
