"""What is to be known of a backbone, found out on torch's meta device, where nothing is computed."""

import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.info.weight_sources import find_weight_source
from candelabra.backbones.receptive_field import combine_fields, measure_effective_field
from candelabra.backbones.registry import build_backbone
from candelabra.errors import CandelabraError

_BATCHES = 3  # timed, after one that is not


@dataclass(frozen=True)
class FeatureMapInfo:
    """One feature map.

    Args:
        channels: of it.
        stride: pixels of the image that an element stands for.
        size: height and width at the size that was asked for.
        field: side of the theoretical receptive field in pixels; null where an element may read the whole image.
        gated: factors made of the whole image (squeeze and excitation) scale what the field holds.
        effective: the same by gradient, see `measure_effective_field`; null where it was not asked for.
        parameters: of its stage.
    """

    channels: int
    stride: int
    size: tuple[int, int]
    field: int | None
    gated: bool
    effective: float | None
    parameters: int


@dataclass(frozen=True)
class BackboneInfo:
    """Of one backbone.

    Args:
        name: of the entry.
        parameters: without a classifier.
        multiply_adds: of one image; convolutions, linear layers and products of matrices.
        size: side of that image, in pixels.
        side: pixels of the images that it, or its weights, were made for.
        embedding: numbers that describe an image.
        maps: finest first.
        licence: of the published weights, as their publisher states it; null where none is stated.
        weights: where they are: bundled, cached, hub (to be downloaded), or none (nobody publishes any).
        images_per_second: forward, on this machine; null where it was not asked for.
    """

    name: str
    parameters: int
    multiply_adds: int
    size: int
    side: int
    embedding: int
    maps: tuple[FeatureMapInfo, ...]
    licence: str | None
    weights: str
    images_per_second: float | None


def measure_backbone(
    name: str, node: Mapping[str, Any], size: int | None, effective: bool = False, batch: int = 0
) -> BackboneInfo:
    """Looks at a backbone; its weights are neither read nor downloaded.

    Args:
        name: of the entry.
        node: of the catalogue.
        size: of the images; null for those that it was made for.
        effective: whether to measure receptive fields by gradient, at the weights at hand, else at random ones.
        batch: images at once while speed is measured; 0 measures none.

    Raises:
        CandelabraError: it does not work at this size.
    """
    with torch.device("meta"):
        backbone = build_backbone({**node, "weights": "none"}).eval()
        size = size or backbone.side
        images = torch.zeros(1, int(node.get("in_channels", 3)), size, size)
        try:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                features = backbone(images)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise CandelabraError(f"{name} does not work at size={size}: {str(error).splitlines()[0]}.") from error
        fields = combine_fields(lambda pixels: backbone.extract(pixels)[0], images)
    seen = _effective(node, size) if effective else [None] * len(fields)
    maps = tuple(
        FeatureMapInfo(
            channels=backbone.channels[i],
            stride=backbone.strides[i],
            size=(each.shape[2], each.shape[3]),
            field=max(field.size) if field.size else None,
            gated=field.gated,
            effective=seen[i],
            parameters=_count(backbone.stages[i]),
        )
        for i, (each, field) in enumerate(zip(features.maps, fields, strict=True))
    )
    published = node["weights"] != "none"
    return BackboneInfo(
        name=name,
        parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        multiply_adds=counter.get_total_flops() // 2,
        size=size,
        side=backbone.side,
        embedding=backbone.num_features,
        maps=maps,
        licence=backbone.licence if published else None,
        weights=find_weight_source(node),
        images_per_second=_speed(node, size, batch) if batch else None,
    )


def _count(stage: list[nn.Module]) -> int:
    return sum(parameter.numel() for module in stage for parameter in module.parameters(recurse=False))


def _effective(node: Mapping[str, Any], size: int) -> list[float | None]:
    """Of each map, at random weights unless others are at hand; images of this size cut off what is larger."""
    torch.manual_seed(0)
    weights = node["weights"] if find_weight_source(node) in ("bundled", "cached") else "none"
    backbone = build_backbone({**node, "weights": weights}).eval()
    if weights == "none":
        _open(backbone)
    channels = int(node.get("in_channels", 3))

    def field(index: int) -> float:
        return measure_effective_field(lambda pixels: backbone.extract(pixels)[0][index], size, channels, images=2)

    return [field(index) for index in range(len(backbone.strides))]


@torch.no_grad()
def _open(backbone: Backbone) -> None:
    """Sets factors that initialization sets to 0 (zero-initialized norms, layer scale) to 1.

    They close the residual branches of a network with random weights; every effective receptive field would be that of
    the stem.
    """
    for name, parameter in backbone.named_parameters():
        if parameter.ndim == 1 and not name.endswith("bias") and parameter.abs().max() < 1e-3:
            parameter.fill_(1.0)


@torch.inference_mode()
def _speed(node: Mapping[str, Any], size: int, batch: int) -> float:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone: Backbone = (
        build_backbone({**node, "weights": "none"}).eval().to(device).to(memory_format=torch.channels_last)
    )
    images = torch.zeros(batch, int(node.get("in_channels", 3)), size, size, dtype=torch.uint8, device=device)
    times = []
    for _ in range(1 + _BATCHES):
        begun = time.perf_counter()
        backbone(images).final.sum().item()  # waits for the device
        times.append(time.perf_counter() - begun)
    del backbone
    gc.collect()
    return batch / min(times[1:])
