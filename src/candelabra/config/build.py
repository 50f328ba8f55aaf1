"""Builds objects from a composed config, after checking it against the constructors that it names."""

import inspect
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from candelabra.config.batch_scaling import scale_rate
from candelabra.config.data_rules import drop_open_options
from candelabra.config.packages import check_packages
from candelabra.config.precision import resolve_precision
from candelabra.config.ranges import check_ranges
from candelabra.config.recipes import add_typed_marks, check_node, check_recipe, drop_typed_marks, find_target
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.dataset_part import DatasetPart
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.union import Union, name_set_in_errors
from candelabra.data.readers.reader import Reader
from candelabra.errors import CandelabraError, list_nearest

PlainConfig = dict[str, Any]
_INTERPOLATION = re.compile(r"\$\{(?:oc\.select:)?(\w[\w.]*)(?:,[^{}]*)?\}")
_REFUSALS = (ValueError, TypeError, AssertionError)


def resolve_config(config: DictConfig, typed: bool = True) -> PlainConfig:
    """Converts a config to plain dictionaries and lists, resolves precision and learning rate, and checks it.

    Args:
        config: as composed.
        typed: whether the user typed all of it, and may name any class; not where words of a run's config.yaml are
            among it, see `check_recipe`.

    Raises:
        CandelabraError: a key that the constructor does not take, or a value of another type than it wants or out of
            range.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    resolved: PlainConfig = {str(key): value for key, value in plain.items() if key != "sweep"}  # that is of many runs
    resolved = drop_open_options(resolved)
    if typed:
        resolved = add_typed_marks(resolved)
    else:
        check_recipe(resolved, "The config of the run")
    if "lr_rule" in resolved and OmegaConf.is_interpolation(
        config.optimizer, "lr"
    ):  # else it was typed, or is resolved
        batches = resolved["global_batch"], resolved["lr_batch"]
        resolved["optimizer"]["lr"] = scale_rate(resolved["optimizer"]["lr"], resolved["lr_rule"], *batches)
    trainer = resolved.get("trainer")
    if trainer:
        trainer["precision"] = resolve_precision(trainer["precision"], trainer["accelerator"])
    check_ranges(resolved)
    check_packages(resolved)
    checked = resolved
    if trainer and trainer["precision"] == "auto":  # is chosen when the task is known; Lightning knows no such word
        checked = {**resolved, "trainer": {**trainer, "precision": "32-true"}}
    check_config(checked, typed_keys=_find_typed_keys(OmegaConf.to_container(config, resolve=False)))
    return resolved


def _find_typed_keys(node: Any, path: str = "") -> dict[str, str]:
    """The key of each option whose value is that of another, as `optimizer.lr: ${lr}`: {"optimizer.lr": "lr"}."""
    if isinstance(node, str):
        match = _INTERPOLATION.fullmatch(node)
        return {path: match[1]} if match else {}
    found: dict[str, str] = {}
    for key, value in node.items() if isinstance(node, dict) else ():
        found |= _find_typed_keys(value, f"{path}.{key}" if path else str(key))
    return found


def check_config(node: Any, path: str = "", typed_keys: Mapping[str, str] | None = None) -> None:
    """Compares each node that names a `_target_` with its signature, and its plain values with the annotations.

    Args:
        node: of a resolved config.
        path: its key.
        typed_keys: for messages, the keys that others have their values from.

    Raises:
        CandelabraError: an argument is unknown, or its value has the wrong type.
    """
    if isinstance(node, list):
        for item in node:
            check_config(item, path, typed_keys)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        _check_target(node, path, typed_keys or {})
    for key, value in node.items():
        check_config(value, f"{path}.{key}" if path else str(key), typed_keys)


def _check_target(node: Mapping[str, Any], path: str, typed_keys: Mapping[str, str]) -> None:
    target = find_target(node)
    parameters, targets = dict(inspect.signature(target).parameters), [target]
    if _is_reader(target):  # its node has the options of loading too, see `build_data`
        loading = inspect.signature(DataModule).parameters
        parameters |= {name: each for name, each in loading.items() if name != "reader"}
        targets.append(DataModule)
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for key, value in node.items():
        if key.startswith("_"):
            continue
        if key not in parameters and not free:
            known = list_nearest(key, parameters) if parameters else "no arguments"
            raise CandelabraError(f"{path}.{key} is not known; {node['_target_']} takes {known}.")
        if not (isinstance(value, dict) and "_target_" in value) and not _holds_targets(value):
            for adapter in (_make_adapter(target, key) for target in targets):
                if adapter is not None:
                    _check_value(typed_keys.get(f"{path}.{key}", f"{path}.{key}"), value, adapter)


def _is_reader(target: Any) -> bool:
    return inspect.isclass(target) and issubclass(target, Reader)


@cache
def _read_hints(target: Any) -> dict[str, Any]:
    try:
        return get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except NameError:  # names that a library imports for its type checker alone
        return {}


@cache
def _make_adapter(target: Any, argument: str) -> TypeAdapter[Any] | None:
    """What checks the values of an argument; null if its annotation cannot be checked from outside."""
    with suppress(KeyError, PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError):
        return TypeAdapter(_read_hints(target)[argument], config=ConfigDict(arbitrary_types_allowed=True))
    return None


def _holds_targets(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, dict) and "_target_" in item for item in items)


def _check_value(path: str, value: Any, adapter: TypeAdapter[Any]) -> None:
    try:  # strict, or a word would pass for a number; but yaml has lists where Python has tuples
        adapter.validate_python(value, strict=not isinstance(value, list | dict))
    except ValidationError as error:
        if isinstance(value, list) and all(part["type"] == "string_type" for part in error.errors()):
            quoted = ",".join(f"'{item}'" for item in value)
            raise CandelabraError(
                f"{path}={value} has the wrong type: what looks like a number or a switch needs quotes to be a word; "
                f'write "{path}=[{quoted}]".'
            ) from error
        parts = [
            "a list" if part["type"] == "sequence_str" else part["msg"].removeprefix("Input should be ")
            for part in error.errors()
        ]
        plain = [part for part in parts if not part.startswith("an instance of ")]  # no one can type an object
        wanted = " or ".join(dict.fromkeys(plain or parts))
        raise CandelabraError(f"{path}={value} has the wrong type: it should be {wanted}.") from error


def build_object(node: Any, **objects: Any) -> Any:
    """Instantiates the `_target_` of a node; further arguments are passed to it as they are.

    A node that the user did not type, but that comes from a file, builds nothing but options of candelabra from plain
    values; see `candelabra.config.recipes`.

    Raises:
        CandelabraError: the constructor refuses its arguments, or a file names what is not built.
    """
    check_node(node)
    node = drop_typed_marks(node)
    try:
        if objects:  # hydra's instantiate converts dataclasses among its arguments to configs; a partial does not
            return hydra_instantiate({**node, "_partial_": True}, _convert_="all")(**objects)
        return hydra_instantiate(node, _convert_="all")
    except CandelabraError:
        raise
    except (InstantiationException, MisconfigurationException, OmegaConfBaseException, *_REFUSALS) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, CandelabraError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        root = error.__cause__ or error
        raise CandelabraError(f"{node['_target_']} refuses its arguments: {' '.join(str(root).split())}") from error


def build_data(node: PlainConfig) -> SampleDataModule:
    """Builds the data module of a data node.

    A node names a reader and has the keys of the reader and of `DataModule` side by side, as they are typed; or it
    names a `Union`, and each of its `sets` is such a node.

    Raises:
        CandelabraError: an option is refused, or one was typed for a set that only the whole union can have.
    """
    target = find_target(node)
    data: SampleDataModule
    if _is_reader(target):
        data = _build_with_reader(DataModule, node)
    elif target is Union:
        sets = {name: _build_part(name, each, node) for name, each in node["sets"].items()}
        data = build_object({key: value for key, value in node.items() if key != "sets"}, sets=sets)
    else:
        data = build_object(node)
    return data


def _build_with_reader(kind: type, node: PlainConfig) -> Any:
    """Divides the keys of a node between its reader and what is composed of it."""
    own = {each.name for each in fields(find_target(node))}
    reader = build_object({key: value for key, value in node.items() if key in own or key.startswith("_")})
    further = {key: value for key, value in node.items() if key not in own and not key.startswith("_")}
    return build_object({"_target_": f"{kind.__module__}.{kind.__qualname__}", **further}, reader=reader)


def _build_part(name: str, node: PlainConfig, union: PlainConfig) -> DatasetPart:
    """One data set of a union; it may repeat options of the whole union, but not contradict them."""
    if not _is_reader(find_target(node)):
        raise CandelabraError(f"data.sets.{name} is a union itself; name its sets beside the others.")
    if node.get("sampler", "shuffled") != "shuffled":
        raise CandelabraError(
            f"data.sets.{name}.sampler={node['sampler']} would do nothing, for data.mix says how often images of a "
            "union come; leave it out."
        )
    of_union = {each.name: each.default for each in fields(SampleDataModule)}
    for key in of_union.keys() & node.keys():
        if node[key] not in (of_union[key], union.get(key, of_union[key])):
            raise CandelabraError(
                f"data.sets.{name}.{key}={node[key]} would do nothing, for a union serves its sets together; set "
                f"data.{key}."
            )
    own = {key: value for key, value in node.items() if key not in {"sampler", *of_union}}
    with name_set_in_errors(name):
        part: DatasetPart = _build_with_reader(DatasetPart, own)
    return part
