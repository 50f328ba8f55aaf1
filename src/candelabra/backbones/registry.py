"""The registry of backbones: entries of conf/backbone/, of candelabra and of plug-ins; Hydra is not needed."""

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from candelabra import backbones
from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError, list_nearest
from candelabra.plugins.discovery import PLUGINS_VARIABLE, list_active_plugins, list_config_folders

_ANY = "timm"  # the entry that stands for every other model of timm
_PACKAGE = "candelabra"
_LOADING = ("checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
BackboneConfig = dict[str, Any]


def create_backbone(name: str, weights: str = "auto", in_channels: int | None = None) -> Backbone:
    """A backbone for anyone's loop: a plain `nn.Module` on images (N, C, H, W), uint8 or float in [0, 1].

    Args:
        name: of an entry of conf/backbone/, of any model of timm, or the folder of an exported trunk.
        weights: auto (bundled where a package ships them, else the hub; none where nobody publishes any), bundled,
            hub, none, or a file or an exported trunk.
        in_channels: channels of the images, others than its weights were trained on adapt the first filters; null for
            3, or those of the trunk.

    Raises:
        CandelabraError: there is no such backbone, or its weights are not to be had.

    >>> import torch
    >>> from candelabra import create_backbone
    >>> trunk = create_backbone("test_resnet", weights="none").eval()
    >>> trunk.freeze(len(trunk.stages))  # all of them: nothing learns, and no statistics move
    >>> trunk.embedding(torch.rand(2, 3, 64, 64)).shape, [m.shape[1] for m in trunk(torch.rand(2, 3, 64, 64)).maps]
    (torch.Size([2, 96]), [32, 32, 48, 192, 96])
    """
    folder = Path(name)
    exported = (folder / "config.json").is_file()
    node = load_exported_config(folder) | {"weights": name} if exported else find_backbone_config(name)
    node |= {} if weights == "auto" else {"weights": weights}
    return build_backbone(node | ({} if in_channels is None else {"in_channels": in_channels}))


def list_backbones(pattern: str = "*") -> list[str]:
    """The entries that a pattern with * and ? means.

    Raises:
        CandelabraError: none.
    """
    every = sorted(name for name in _config_paths() if name != _ANY)
    found = [name for name in every if fnmatchcase(name, pattern)]
    if not found:
        raise CandelabraError(
            f"No backbone is called {pattern}; the nearest are {list_nearest(pattern, every)}. A pattern may "
            "hold * and ?, as in resnet*."
        )
    return found


def find_backbone_config(name: str) -> BackboneConfig:
    """What the yaml of an entry says, or that of timm for one of its other models.

    Raises:
        CandelabraError: there is none.
    """
    paths = _config_paths()
    if name != _ANY and name in paths:
        return load_backbone_config(paths[name])
    import timm

    if timm.is_model(name):
        return load_backbone_config(paths[_ANY]) | {"name": name}
    known = list_nearest(name, [*list_backbones(), *timm.list_models()])
    raise CandelabraError(
        f"{name} is neither an entry of conf/backbone, nor a model of timm, nor the folder of a trunk; the nearest are "
        f"{known}."
    )


def load_backbone_config(path: Path) -> BackboneConfig:
    """A yaml of conf/backbone/."""
    node: BackboneConfig = yaml.safe_load(path.read_text(encoding="utf-8"))
    return node


def load_exported_config(folder: Path) -> BackboneConfig:
    """Reads how the backbone of an exported trunk is built.

    Calling an arbitrary `_target_` of a downloaded config.json would be code execution: only backbones of candelabra
    and of active plug-ins, with plain values, are accepted.

    Raises:
        CandelabraError: it is no trunk of ours, or names what no backbone of ours takes.
    """
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))["candelabra"]
        node, plugins = content["backbone"], [each["name"] for each in content.get("plugins", [])]
        target, options = node["_target_"], node.get("options") or {}
        values = [value for key, value in node.items() if key != "options"]
        plain = all(_plain(value) for value in [*values, *options.values()])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CandelabraError(
            f"{folder} is not a trunk that candelabra trunk export wrote ({type(error).__name__}); take its weights "
            f"alone, with the backbone that they belong to: backbone.weights={folder}."
        ) from error
    plugin = str(target).partition(".")[0]
    if plugin in plugins and _backbone_class(target) is None:
        raise CandelabraError(
            f"{folder} needs the plug-in {plugin}, which is not active; install it, or name its folder: "
            f"plugins=[<folder>/{plugin}] or {PLUGINS_VARIABLE}=<folder>/{plugin}."
        )
    if _backbone_class(target) is None or not plain or {*options} & {*_LOADING}:
        raise CandelabraError(f"{folder}/config.json asks for what no trunk of ours needs; it is not used.")
    return {**node, "bundled": None} if "bundled" in node else dict(node)


def build_backbone(node: Mapping[str, Any]) -> Backbone:
    """Builds what a node of this catalogue names."""
    backbone_class = _backbone_class(node["_target_"])
    if backbone_class is None:
        raise CandelabraError(f"{node['_target_']} is no backbone of candelabra or of an active plug-in.")
    return backbone_class(**{key: value for key, value in node.items() if not key.startswith("_")})


def _config_paths() -> dict[str, Path]:
    """The yaml of each entry by its name: those of candelabra, then those of plug-ins."""
    found: dict[str, Path] = {}
    for folder in list_config_folders():
        for path in sorted((folder / "backbone").glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def _backbone_class(target: Any) -> Callable[..., Backbone] | None:
    """The class that a `_target_` names, if it is a backbone of candelabra or of an active plug-in."""
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


def _plain(value: Any) -> bool:
    """Whether a value can only be data: numbers, words, and lists of them."""
    if isinstance(value, list):
        return all(_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
