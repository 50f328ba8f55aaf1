"""From a composed config to objects: checked against the constructors it names, before anything is read or built."""

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from hydra.errors import InstantiationException
from hydra.utils import get_object
from hydra.utils import instantiate as hydra_instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from candelabra.config.batch_scaling import scale_rate
from candelabra.config.precision import resolve_precision
from candelabra.errors import CandelabraError, list_nearest

PlainConfig = dict[str, Any]


def resolve_config(config: DictConfig) -> PlainConfig:
    """The config as plain dictionaries and lists, checked; `trainer.precision=auto` is decided.

    Raises:
        CandelabraError: a key that the constructor does not take, or a value of another type than it wants.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    resolved: PlainConfig = {str(key): value for key, value in plain.items() if key != "sweep"}  # that is of many runs
    if "lr_rule" in resolved and OmegaConf.is_interpolation(
        config.optimizer, "lr"
    ):  # else it was typed, or is resolved
        batches = resolved["global_batch"], resolved["lr_batch"]
        resolved["optimizer"]["lr"] = scale_rate(resolved["optimizer"]["lr"], resolved["lr_rule"], *batches)
    trainer = resolved.get("trainer")
    if trainer:
        trainer["precision"] = resolve_precision(trainer["precision"], trainer["accelerator"])
    check_config(resolved)
    return resolved


def check_config(node: Any, path: str = "") -> None:
    """Compares each node that names a `_target_` with its signature, and its plain values with the annotations."""
    if isinstance(node, list):
        for item in node:
            check_config(item, path)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        _check_target(node, path)
    for key, value in node.items():
        check_config(value, f"{path}.{key}" if path else str(key))


def _check_target(node: Mapping[str, Any], path: str) -> None:
    target = get_object(node["_target_"])
    parameters = inspect.signature(target).parameters
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    try:
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except NameError:  # names that a library imports for its type checker alone
        hints = {}
    for key, value in node.items():
        if key.startswith("_"):
            continue
        if key not in parameters and not free:
            known = list_nearest(key, parameters) or "no arguments"
            raise CandelabraError(f"{path}.{key} is not known; {node['_target_']} takes {known}.")
        if key in hints and not (isinstance(value, dict) and "_target_" in value) and not _holds_targets(value):
            _check_value(f"{path}.{key}", value, hints[key])


def _holds_targets(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, dict) and "_target_" in item for item in items)


def _check_value(path: str, value: Any, hint: Any) -> None:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError):
        return  # an annotation that cannot be checked from outside
    try:  # strict, or a word would pass for a number; but yaml has lists where Python has tuples
        adapter.validate_python(value, strict=not isinstance(value, list | dict))
    except ValidationError as error:
        wanted = "; ".join(dict.fromkeys(part["msg"].removeprefix("Input should be ") for part in error.errors()))
        raise CandelabraError(f"{path}={value} has the wrong type: it should be {wanted}.") from error


def build_object(node: Any, **objects: Any) -> Any:
    """Instantiates the `_target_` of a node; further arguments are passed to it as they are.

    Raises:
        CandelabraError: what a constructor of ours refused, in its own words.
    """
    try:
        if objects:  # hydra's instantiate converts dataclasses among its arguments to configs; a partial does not
            return hydra_instantiate({**node, "_partial_": True}, _convert_="all")(**objects)
        return hydra_instantiate(node, _convert_="all")
    except CandelabraError:
        raise
    except (InstantiationException, MisconfigurationException, ValueError, TypeError) as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, CandelabraError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        root = error.__cause__ or error
        raise CandelabraError(f"{node['_target_']} refuses its arguments: {' '.join(str(root).split())}") from error
