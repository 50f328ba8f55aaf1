"""The registry of backbones: the yaml files in conf/backbone/ of candelabra and of plug-ins. Does not need Hydra."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from candelabra import backbones
from candelabra.backbones.backbone import Backbone
from candelabra.backbones.weights import LOADING_OPTIONS
from candelabra.errors import CandelabraError, list_nearest
from candelabra.plugins.discovery import PLUGINS_VARIABLE, list_active_plugins, list_config_folders
from candelabra.storage.documents import load_json

_TIMM_ENTRY = "timm"  # the entry used for every timm model without an entry of its own
_PACKAGE = "candelabra"
BackboneConfig = dict[str, Any]


def create_backbone(name: str, weights: str = "auto", in_channels: int | None = None) -> Backbone:
    """Create a backbone: a plain `nn.Module` that takes images (N, C, H, W), uint8 or float in [0, 1].

    Args:
        name: an entry of conf/backbone/, any timm model, or the folder of an exported backbone.
        weights: auto (bundled if a package ships them, else the hub; none if no weights are published), bundled,
            hub, none, or the path of a weights file or of an exported backbone.
        in_channels: channels of the images; pretrained first filters are adapted to them. Null for 3, or for the
            channels of the exported backbone.

    Raises:
        CandelabraError: no backbone has this name, or its weights are not available.

    >>> import torch
    >>> from candelabra import create_backbone
    >>> backbone = create_backbone("test_resnet", weights="none").eval()
    >>> backbone.freeze(len(backbone.stages))  # all parameters and running statistics are frozen
    >>> images = torch.rand(2, 3, 64, 64)
    >>> backbone.embedding(images).shape, [features.shape[1] for features in backbone(images).maps]
    (torch.Size([2, 96]), [32, 32, 48, 192, 96])
    """
    folder = Path(name)
    exported = (folder / "config.json").is_file()
    node = load_exported_config(folder) | {"weights": name} if exported else find_backbone_config(name)
    node |= {} if weights == "auto" else {"weights": weights}
    return build_backbone(node | ({} if in_channels is None else {"in_channels": in_channels}))


def list_backbones(pattern: str = "*") -> list[str]:
    """Return the sorted names of the entries that match a pattern with * and ?.

    Raises:
        CandelabraError: no entry matches.
    """
    every = sorted(name for name in _config_paths() if name != _TIMM_ENTRY)
    found = [name for name in every if fnmatchcase(name, pattern)]
    if not found:
        raise CandelabraError(
            f"No backbone is called {pattern}; the nearest are {list_nearest(pattern, every)}. A pattern may "
            "contain * and ?, as in resnet*."
        )
    return found


def find_backbone_config(name: str) -> BackboneConfig:
    """Return the config of an entry, or the config of a timm model without an entry.

    Raises:
        CandelabraError: neither has this name.
    """
    paths = _config_paths()
    if name != _TIMM_ENTRY and name in paths:
        return load_backbone_config(paths[name])
    import timm

    if timm.is_model(name):
        return load_backbone_config(paths[_TIMM_ENTRY]) | {"name": name}
    known = list_nearest(name, [*list_backbones(), *timm.list_models()])
    raise CandelabraError(
        f"{name} is neither an entry of conf/backbone, nor a model of timm, nor an exported backbone; the nearest are "
        f"{known}."
    )


def load_backbone_config(path: Path) -> BackboneConfig:
    """Read a yaml file of conf/backbone/."""
    node: BackboneConfig = yaml.safe_load(path.read_text(encoding="utf-8"))
    return node


def load_exported_config(folder: Path) -> BackboneConfig:
    """Read how to build an exported backbone.

    Calling an arbitrary `_target_` of a downloaded config.json would be code execution: only backbones of candelabra
    and of active plug-ins, with plain values, are accepted.

    Raises:
        CandelabraError: candelabra did not write the folder, a plug-in is missing, or the config contains anything
            except arguments of a backbone.
    """
    try:
        content = load_json((folder / "config.json").read_text(encoding="utf-8"))["candelabra"]
        node, plugins = content["backbone"], [each["name"] for each in content.get("plugins", [])]
        target, options = node["_target_"], node.get("options") or {}
        values = [value for key, value in node.items() if key != "options"]
        plain = all(_is_plain(value) for value in [*values, *options.values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CandelabraError(
            f"{folder} was not written by candelabra trunk export ({type(error).__name__}); to load its weights alone, "
            f"choose their backbone and give backbone.weights={folder}."
        ) from error
    plugin = str(target).partition(".")[0]
    if plugin in plugins and _find_backbone_class(target) is None:
        raise CandelabraError(
            f"{folder} needs the plug-in {plugin}, which is not active; install it, or give its folder: "
            f"plugins=[<folder>/{plugin}] or {PLUGINS_VARIABLE}=<folder>/{plugin}."
        )
    if _find_backbone_class(target) is None or not plain or {*options} & LOADING_OPTIONS:
        raise CandelabraError(
            f"{folder}/config.json contains more than plain arguments of a backbone and is not used; export the "
            "backbone again with candelabra trunk export."
        )
    return {**node, "bundled": None} if "bundled" in node else dict(node)


def build_backbone(node: Mapping[str, Any]) -> Backbone:
    """Build the backbone that a config describes.

    Raises:
        CandelabraError: the class is not a backbone of candelabra or of an active plug-in.
    """
    backbone_class = _find_backbone_class(node["_target_"])
    if backbone_class is None:
        raise CandelabraError(f"{node['_target_']} is not a backbone of candelabra or of an active plug-in.")
    return backbone_class(**{key: value for key, value in node.items() if not key.startswith("_")})


def _config_paths() -> dict[str, Path]:
    """Map the name of each entry to its yaml file: entries of candelabra, then entries of plug-ins."""
    found: dict[str, Path] = {}
    for folder in list_config_folders():
        for path in sorted((folder / "backbone").glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def _find_backbone_class(target: Any) -> Callable[..., Backbone] | None:
    """Return the class that a `_target_` names; null unless it is a backbone of candelabra or an active plug-in."""
    module, _, name = str(target).rpartition(".")
    if module == backbones.__name__:
        found = getattr(backbones, name, None)
    elif module.partition(".")[0] in {plugin.name for plugin in list_active_plugins()}:
        try:
            found = getattr(import_module(module), name, None)
        except ModuleNotFoundError:
            return None
    else:
        return None
    final = isinstance(found, type) and issubclass(found, Backbone) and found is not Backbone
    return found if final else None


def _is_plain(value: Any) -> bool:
    """Whether a value is plain data: null, a boolean, a number, a string, or a list of these."""
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
