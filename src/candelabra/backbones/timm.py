"""Backbones of timm (Wightman 2019): wraps any of its architectures."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import group_parameters
from timm.models._registry import get_deprecated_models  # public there, but not exported
from torch import Tensor, nn

from candelabra.backbones.backbone import (
    Backbone,
    divide_into_stages,
    drop_unused_modules,
    fit_channels,
    keep_float32_convolutions,
)
from candelabra.backbones.weights import (
    LOADING_OPTIONS,
    check_in_channels,
    download_from_hugging_face,
    load_bundled_weights,
    load_weights_file,
    resolve_weights,
)
from candelabra.errors import CandelabraError, list_nearest

log = logging.getLogger(__name__)
_DRY_RUN_SIDE = 128  # pixels; large enough for every architecture, including Inception


class Timm(Backbone):
    """A timm model without its classifier; its parameters keep timm's own names under `network`.

    Args:
        name: timm's model name, with or without the tag of the weights.
        weights: auto (bundled if available, else hub), bundled, hub, none, or the path of a weights file or of an
            exported backbone.
        bundled: package that ships weights for this architecture; null if there is none.
        in_channels: channels of the images; pretrained first filters are adapted if it is not 3.
        stage_ends: name of the last module of each stage; null uses timm's feature_info.
        options: further arguments of `timm.create_model`, such as drop_path_rate, or img_size of a ViT or Swin.

    Raises:
        CandelabraError: timm has no such model, or the weights are not available.
    """

    def __init__(
        self,
        name: str,
        weights: str = "auto",
        bundled: str | None = None,
        in_channels: int = 3,
        stage_ends: Sequence[str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        name = find_timm_name(name)
        for key in sorted({*(options or {})} & LOADING_OPTIONS):
            raise CandelabraError(
                f"backbone.options.{key}: weights are chosen with backbone.weights=<file>, which reads no pickles; "
                "leave the option out."
            )
        source = resolve_weights(weights, bundled)
        arguments = {"in_chans": in_channels, "num_classes": 0, **(options or {})}
        if source == "hub":  # timm converts old formats and adapts the first filters
            known_as: Any = timm.get_pretrained_cfg(name)
            file = download_from_hugging_face(known_as.to_dict())
            arguments |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
        network: Any = timm.create_model(name, **arguments)
        if source == "bundled":
            load_bundled_weights(network, str(bundled))
        elif source not in ("hub", "none"):
            load_weights_file(network, Path(source))
        config = network.pretrained_cfg
        check_in_channels(source, config["mean"], config["std"])
        super().__init__(fit_channels(config["mean"], in_channels), fit_channels(config["std"], in_channels))
        self.network: Any = network
        size = _find_size(config, options)
        self.name, self.side, self.licence = name, size[1], config.get("license")
        self.num_features = network.num_features
        self.reads_token = getattr(network, "global_pool", "") == "token"
        entries = list(network.feature_info)
        self.indices = _select_maps([entry["reduction"] for entry in entries])
        entries = [entries[index] for index in self.indices]
        self.strides = [int(entry["reduction"]) for entry in entries]
        self.channels = self._measure_channels(
            in_channels, size if config.get("fixed_input_size") else (_DRY_RUN_SIDE, _DRY_RUN_SIDE)
        )
        keep_float32_convolutions(network)
        self.stages = divide_into_stages(
            network, stage_ends or _resolve_stage_ends(network, [entry["module"] for entry in entries])
        )

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        final, maps = self.network.forward_intermediates(images, indices=self.indices)
        if final.ndim == 3:  # tokens: take the class token, or reshape the patches to a map
            if self.reads_token:
                final = final[:, 0, :, None, None]
            else:
                final = final[:, -maps[-1][0, 0].numel() :].transpose(1, 2).unflatten(2, maps[-1].shape[-2:])
        elif final.shape[-1] == self.num_features != final.shape[1]:  # Swin uses NHWC
            final = final.permute(0, 3, 1, 2)
        return maps, final

    def layers(self) -> list[list[nn.Parameter]]:
        if not hasattr(self.network, "group_matcher"):
            raise CandelabraError(
                f"timm does not define the layers of {self.name}, which finetune=layerwise needs; use "
                "finetune=discriminative."
            )
        grouped = group_parameters(self.network, self.network.group_matcher(coarse=False), return_values=True)
        return [grouped[index] for index in sorted(grouped)]

    @torch.no_grad()
    def _measure_channels(self, in_channels: int, size: tuple[int, int]) -> list[int]:
        """Run once on zeros: return the channels of the maps and drop the modules that do not contribute to them.

        `forward_intermediates` runs the children of containers directly: hooks on a container (a stage) never fire.
        """
        used: set[nn.Module] = set()
        hooks = [module.register_forward_hook(lambda module, *_: used.add(module)) for module in self.network.modules()]
        maps, _ = self.eval().extract(torch.zeros(1, in_channels, *size))
        self.train()
        for hook in hooks:
            hook.remove()
        drop_unused_modules(self.network, used)
        return [features.shape[1] for features in maps]


def find_timm_name(name: str) -> str:
    """The name under which timm builds a model: the present one, where timm has renamed it.

    Raises:
        CandelabraError: timm has no such model, or the name says where a model lies and not which it is.
    """
    place, colon, rest = name.partition(":")
    if colon:
        first = "" if place == "local-dir" else f"candelabra trunk pull repo={rest} folder=<folder>, then "
        folder = rest if place == "local-dir" else "<folder>"
        raise CandelabraError(
            f"backbone.name={name} says where a model lies; backbone.name is the architecture, and its weights come "
            f"from a folder or file: {first}backbone.name=<architecture in config.json> backbone.weights={folder}."
        )
    renamed = get_deprecated_models()
    if name in renamed:
        if renamed[name] is None:
            raise CandelabraError(f"backbone.name={name} was removed from timm; the nearest are {_list_near(name)}.")
        log.warning("timm calls %s %s now", name, renamed[name])
        return str(renamed[name])
    if not timm.is_model(name):
        raise CandelabraError(f"backbone.name={name} is not a model of timm; the nearest are {_list_near(name)}.")
    return name


def _list_near(name: str) -> str:
    return list_nearest(name, timm.list_models())


def _find_size(config: Mapping[str, Any], options: Mapping[str, Any] | None) -> tuple[int, int]:
    """Height and width that a network is built for: those of its weights, or `options.img_size`."""
    given = (options or {}).get("img_size") or config["input_size"][-2:]
    height, width = (given, given) if isinstance(given, int) else given
    return int(height), int(width)


def _select_maps(strides: Sequence[int]) -> list[int]:
    """Return the indices of the maps to use: all, or four evenly spaced ones if all strides are equal (ViT)."""
    count = len(strides)
    if count <= 4 or len(set(strides)) > 1:
        return list(range(count))
    return [count * (quarter + 1) // 4 - 1 for quarter in range(4)]


def _resolve_stage_ends(network: nn.Module, ends: Sequence[str]) -> list[str]:
    """Replace each stage end that is no module (HRNet) by the next stage end."""
    names = {name for name, _ in network.named_modules()}
    resolved: list[str] = []
    for end in reversed(ends):
        resolved.insert(0, end if end in names else resolved[0])
    return resolved
