"""Backbones of timm (Wightman 2019): every architecture it has, behind our contract."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import Tensor, nn

from candelabra.backbones.backbone import (
    Backbone,
    divide_into_stages,
    drop_unused_modules,
    fit_channels,
    keep_depthwise_float32,
)
from candelabra.backbones.weights import (
    check_in_channels,
    download_from_hugging_face,
    load_bundled_weights,
    load_weights_file,
    resolve_weights,
)
from candelabra.errors import CandelabraError, list_nearest

_PROBE = 128  # pixels; enough for every architecture, Inception included


class Timm(Backbone):
    """A timm model without its classifier; its parameters keep timm's own names under `network`.

    Args:
        name: timm's name, with or without the tag of the weights.
        weights: auto (bundled if there are any, else hub), bundled, hub, none, or the path of a file of
            weights or of an exported trunk.
        bundled: an installed package that ships weights for this architecture; null if there is none.
        in_channels: channels of the images; other than 3 adapts the pretrained filters.
        stage_ends: the last module of each stage; null where timm's own list of them is right.
        options: further arguments of `timm.create_model`, such as drop_path_rate.

    Raises:
        CandelabraError: timm has no such model, or the weights are not to be had.
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
        if not timm.is_model(name):
            known = list_nearest(name, timm.list_models())
            raise CandelabraError(f"backbone.name={name} is not a model of timm; the nearest are {known}.")
        source = resolve_weights(weights, bundled)
        arguments = {"in_chans": in_channels, "num_classes": 0, **(options or {})}
        if source == "hub":  # timm itself then converts old formats and adapts the first filters
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
        self.name, self.side, self.licence = name, int(config["input_size"][-1]), config.get("license")
        self.num_features = network.num_features
        self.reads_token = getattr(network, "global_pool", "") == "token"
        entries = list(network.feature_info)
        self.indices = _pyramid([entry["reduction"] for entry in entries])
        entries = [entries[index] for index in self.indices]
        self.strides = [int(entry["reduction"]) for entry in entries]
        self.channels = self._probe(in_channels, config)
        keep_depthwise_float32(network)
        self.stages = divide_into_stages(
            network, stage_ends or _resolve(network, [entry["module"] for entry in entries])
        )

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        final, maps = self.network.forward_intermediates(images, indices=self.indices)
        if final.ndim == 3:  # tokens: the class token, or the patches laid out again
            if self.reads_token:
                final = final[:, 0, :, None, None]
            else:
                final = final[:, -maps[-1][0, 0].numel() :].transpose(1, 2).unflatten(2, maps[-1].shape[-2:])
        elif final.shape[-1] == self.num_features != final.shape[1]:  # Swin works in NHWC
            final = final.permute(0, 3, 1, 2)
        return maps, final

    def layers(self) -> list[list[nn.Parameter]]:
        if not hasattr(self.network, "group_matcher"):
            raise CandelabraError(
                f"timm does not say what the layers of {self.name} are, which finetune=layerwise needs; take "
                "finetune=discriminative."
            )
        grouped = group_parameters(self.network, self.network.group_matcher(coarse=False), return_values=True)
        return [grouped[index] for index in sorted(grouped)]

    @torch.no_grad()
    def _probe(self, in_channels: int, config: Mapping[str, Any]) -> list[int]:
        """Runs once to find the channels of the maps and the modules that contribute to them.

        `forward_intermediates` runs the children of containers directly: hooks on a container (a stage) never fire.
        """
        used: set[nn.Module] = set()
        hooks = [module.register_forward_hook(lambda module, *_: used.add(module)) for module in self.network.modules()]
        side = config["input_size"][-1] if config.get("fixed_input_size") else _PROBE
        maps, _ = self.eval().extract(torch.zeros(1, in_channels, side, side))
        self.train()
        for hook in hooks:
            hook.remove()
        drop_unused_modules(self.network, used)
        return [features.shape[1] for features in maps]


def _pyramid(strides: Sequence[int]) -> list[int]:
    """Indices of the maps to take: all, or four evenly spaced ones where all have one stride (ViT)."""
    count = len(strides)
    if count <= 4 or len(set(strides)) > 1:
        return list(range(count))
    return [count * (quarter + 1) // 4 - 1 for quarter in range(4)]


def _resolve(network: nn.Module, ends: Sequence[str]) -> list[str]:
    """Timm's names of the modules that end a stage; one that is no module (HRNet) gives way to the next."""
    names = {name for name, _ in network.named_modules()}
    resolved: list[str] = []
    for end in reversed(ends):
        resolved.insert(0, end if end in names else resolved[0])
    return resolved
