"""Feature maps and first filters of a backbone as pictures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.network import name_maps, prepare_module
from candelabra.explain.pictures import arrange_panels

ALL_LAYERS = "all"
_LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_SHOWN = 64  # channels in a sheet
_TILE = 64  # least pixels of a side of a channel or filter
_PERCENTILES = (1, 99)  # of a channel that are drawn black and white


def compute_feature_maps(backbone: Backbone, image: Tensor, layers: str | None = None) -> dict[str, Tensor]:
    """The maps (C, h, w) of an image (3, H, W), from the input on, as float32 on the CPU.

    Args:
        backbone: afterwards as it was.
        image: float in [0, 1].
        layers: null for the maps of all stages and `final`; all for the output of each convolution and pooling, as
            textbooks walk through a network; or names of one of both, with commas between them.

    Raises:
        CandelabraError: a layer is not known.
    """
    every: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        every.setdefault(name, output.detach().clone())  # what follows may write into it

    with prepare_module(backbone) as network, torch.no_grad():
        hooks = [
            module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
            for name, module in network.named_modules()
            if isinstance(module, _LAYERS)
        ]
        try:
            features = network(image[None])
        finally:
            for hook in hooks:
                hook.remove()
    layerwise = {name.removeprefix("network."): each for name, each in every.items() if each.ndim == 4}
    stages = name_maps(features)
    found = layerwise if layers == ALL_LAYERS else stages if layers is None else _pick(layers, {**layerwise, **stages})
    return {name: each[0].float().cpu() for name, each in found.items()}


def _pick(layers: str, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    words = [word.strip() for word in layers.split(",")]
    for word in words:
        if word not in found:
            raise CandelabraError(f"stage={word} is not known; allowed are all, {list_nearest(word, found)}.")
    return {word: found[word] for word in words}


def draw_feature_maps(maps: Tensor) -> Image.Image:
    """A contact sheet of the first channels of (C, h, w), each between its own percentiles, on a square grid."""
    tiles = []
    for channel in maps[:_SHOWN].numpy():
        low, high = np.percentile(channel, _PERCENTILES)
        shares = np.clip((channel - low) / (high - low if high > low else 1), 0, 1)
        tiles.append(_enlarge((shares * 255).astype(np.uint8)))
    return _join_tiles(tiles)


def write_feature_maps(maps: Mapping[str, Tensor], folder: Path) -> list[tuple[str, str]]:
    """Writes a contact sheet of each layer and maps.png, their overview; returns names with shapes in words."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    panels, rows = [], []
    for number, (name, each) in enumerate(maps.items()):
        sheet = draw_feature_maps(each)
        shape = "x".join(map(str, each.shape))
        sheet.save(folder / "pictures" / f"{number:02d}_{name.replace('.', '_')}.png")
        small = sheet.copy()
        small.thumbnail((320, 320))
        panels.append((f"{name}: {shape}", small))
        rows.append((name, shape))
    arrange_panels(panels, 4).save(folder / "pictures" / "maps.png")
    return rows


def draw_filters(backbone: Backbone) -> tuple[str, Image.Image]:
    """The filters of the first convolution as pictures, grey being zero; each is scaled by its own largest weight.

    Returns:
        The name of the layer with the shape of its weights, and the picture.

    Raises:
        CandelabraError: the backbone has no convolution.
    """
    found = next(((name, each) for name, each in backbone.named_modules() if isinstance(each, nn.Conv2d)), None)
    if found is None:
        raise CandelabraError(f"{backbone.name} has no convolution whose filters could be shown.")
    name, layer = found
    weight = layer.weight.detach().float().cpu()
    scaled = weight / weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) * 0.5 + 0.5
    colours = scaled if weight.shape[1] == 3 else scaled.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    tiles = [_enlarge((each.permute(1, 2, 0) * 255).round().byte().numpy()) for each in colours]
    return f"{name.removeprefix('network.')}: {'x'.join(map(str, weight.shape))}", _join_tiles(tiles)


def _enlarge(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = max(1, -(-_TILE // tile.shape[0]))
    return tile.repeat(factor, 0).repeat(factor, 1)


def _join_tiles(tiles: list[NDArray[np.uint8]], gap: int = 2) -> Image.Image:
    """Tiles of one size, (h, w) or (h, w, 3), on a grid that is about square."""
    columns = int(np.ceil(np.sqrt(len(tiles))))
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap), rows * (height + gap)), (255, 255, 255))
    for place, tile in enumerate(tiles):
        sheet.paste(Image.fromarray(tile), (place % columns * (width + gap), place // columns * (height + gap)))
    return sheet
