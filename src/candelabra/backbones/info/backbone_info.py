"""Measure a backbone on torch's meta device, where nothing is computed."""

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

_BATCHES = 3  # timed batches, after one warm-up batch


@dataclass(frozen=True)
class FeatureMapInfo:
    """One feature map.

    Args:
        channels: number of channels.
        stride: in pixels of the image.
        size: height and width, in elements, at the image size of the measurement.
        field: side of the theoretical receptive field in pixels; null if an element may read the whole image.
        gated: whether factors computed from the whole image (squeeze and excitation) scale the map.
        effective: side of the effective receptive field in pixels, see `measure_effective_field`; null if not measured.
        parameters: number of parameters of the stage.
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
    """Measurements of one backbone.

    Args:
        name: of the entry in conf/backbone/.
        parameters: number of parameters, without a classifier.
        multiply_adds: for one image; convolutions, linear layers and matrix products.
        size: side of that image, in pixels.
        side: image side in pixels for which the architecture or its weights were designed.
        embedding: dimensions of the embedding of an image.
        maps: finest first.
        licence: of the published weights, as stated by their publisher; null if none is stated.
        weights: source of the weights: bundled, cached, hub (to be downloaded), or none (not published).
        images_per_second: speed of the forward pass on this machine; null if not measured.
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
    """Measure a backbone; its weights are not downloaded, and only read to measure effective receptive fields.

    Args:
        name: of the entry in conf/backbone/.
        node: config of the backbone.
        size: side of the images in pixels; null for the side that the backbone was designed for.
        effective: whether to measure effective receptive fields, with local weights if there are any, else random ones.
        batch: images per batch for the measurement of speed; 0 skips it.

    Raises:
        CandelabraError: the backbone does not work at this size.
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
    effective_fields = _measure_effective_fields(node, size) if effective else [None] * len(fields)
    maps = tuple(
        FeatureMapInfo(
            channels=backbone.channels[i],
            stride=backbone.strides[i],
            size=(each.shape[2], each.shape[3]),
            field=max(field.size) if field.size else None,
            gated=field.gated,
            effective=effective_fields[i],
            parameters=_count_stage_parameters(backbone.stages[i]),
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
        images_per_second=_measure_speed(node, size, batch) if batch else None,
    )


def _count_stage_parameters(stage: list[nn.Module]) -> int:
    return sum(parameter.numel() for module in stage for parameter in module.parameters(recurse=False))


def _measure_effective_fields(node: Mapping[str, Any], size: int) -> list[float | None]:
    """Return the effective field of each map, in pixels, cut off at `size`; with random weights if none are local."""
    torch.manual_seed(0)
    weights = node["weights"] if find_weight_source(node) in ("bundled", "cached") else "none"
    backbone = build_backbone({**node, "weights": weights}).eval()
    if weights == "none":
        _unzero_scales(backbone)
    channels = int(node.get("in_channels", 3))

    def field(index: int) -> float:
        return measure_effective_field(lambda pixels: backbone.extract(pixels)[0][index], size, channels, images=2)

    return [field(index) for index in range(len(backbone.strides))]


@torch.no_grad()
def _unzero_scales(backbone: Backbone) -> None:
    """Set factors that initialisation sets to 0 (zero-initialised norms, layer scale) to 1.

    They close the residual branches of a network with random weights; every effective receptive field would be that of
    the stem.
    """
    for name, parameter in backbone.named_parameters():
        if parameter.ndim == 1 and not name.endswith("bias") and parameter.abs().max() < 1e-3:
            parameter.fill_(1.0)


@torch.inference_mode()
def _measure_speed(node: Mapping[str, Any], size: int, batch: int) -> float:
    """Return images per second of the forward pass: the best of `_BATCHES` batches."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backbone: Backbone = (
        build_backbone({**node, "weights": "none"}).eval().to(device).to(memory_format=torch.channels_last)
    )
    images = torch.zeros(batch, int(node.get("in_channels", 3)), size, size, dtype=torch.uint8, device=device)
    times = []
    for _ in range(1 + _BATCHES):
        start = time.perf_counter()
        backbone(images).final.sum().item()  # item() waits for the device
        times.append(time.perf_counter() - start)
    del backbone
    gc.collect()
    return batch / min(times[1:])
