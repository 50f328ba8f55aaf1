"""Backbones of torchvision, for architectures that timm does not have: AlexNet and GoogLeNet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from candelabra.backbones.backbone import Backbone, divide_into_stages, fit_channels
from candelabra.backbones.weights import check_in_channels, download_from_url, load_weights_file, resolve_weights
from candelabra.errors import CandelabraError, list_nearest

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Torchvision(Backbone):
    """A torchvision model up to its last feature map; its parameters keep torchvision's names.

    Args:
        name: torchvision's model name.
        nodes: modules that output the maps, finest first; the output of the last is also `final`.
        strides: the stride of each map, in pixels.
        weights: auto or hub (torchvision's ImageNet weights), none, or the path of a weights file or of an exported
            backbone.
        in_channels: channels of the images; pretrained first filters are adapted if it is not 3.
        mean, std: per channel, for images in [0, 1].
        options: further arguments of torchvision's builder.

    Raises:
        CandelabraError: torchvision has no such model, or the weights are not available.
    """

    def __init__(
        self,
        name: str,
        nodes: Sequence[str],
        strides: Sequence[int],
        weights: str = "auto",
        in_channels: int = 3,
        mean: Sequence[float] = _IMAGENET[0],
        std: Sequence[float] = _IMAGENET[1],
        options: Mapping[str, Any] | None = None,
    ) -> None:
        known = torchvision.models.list_models(module=torchvision.models)
        if name not in known:
            raise CandelabraError(
                f"backbone.name={name} is not a model of torchvision; the nearest are {list_nearest(name, known)}."
            )
        super().__init__(fit_channels(mean, in_channels), fit_channels(std, in_channels))
        full = torchvision.models.get_model(name, weights=None, **(options or {}))
        if in_channels != 3:
            first = next(child for child in full.modules() if isinstance(child, nn.Conv2d))
            shape = (first.out_channels, in_channels, *first.weight.shape[2:])
            first.weight, first.in_channels = nn.Parameter(first.weight.new_empty(shape)), in_channels
            first.reset_parameters()
        self.network = create_feature_extractor(full, {node: str(i) for i, node in enumerate(nodes)})
        published: Any = torchvision.models.get_model_weights(name)["DEFAULT"].value
        source = resolve_weights(weights, None)
        if source == "hub":
            source = str(download_from_url(published.url, name))
        check_in_channels(source, mean, std)
        if source != "none":
            load_weights_file(self.network, Path(source))
        self.strides = list(strides)
        with torch.no_grad():
            maps, _ = self.eval().extract(torch.zeros(1, in_channels, 128, 128))
        self.train()
        self.channels = [features.shape[1] for features in maps]
        self.num_features = self.channels[-1]
        self.stages = divide_into_stages(self.network, nodes)
        self.name, self.side = name, int(published.transforms.keywords["crop_size"])

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        maps = list(self.network(images).values())
        return maps, maps[-1]

    def layers(self) -> list[list[nn.Parameter]]:
        raise CandelabraError(
            f"torchvision does not define the layers of {self.name}, which finetune=layerwise needs; use "
            "finetune=discriminative, or a backbone of timm."
        )
