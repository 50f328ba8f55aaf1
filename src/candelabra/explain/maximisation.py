"""Activation maximisation (Erhan et al. 2009): images that excite a channel or an answer most."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError, list_nearest
from candelabra.explain.image_parameters import ImageParameters, Parametrisation
from candelabra.explain.network import name_maps

Objective = Callable[[Tensor], Tensor]  # images (N, 3, H, W) -> (N,), what image n shall make large


@dataclass(frozen=True)
class AscentSettings:
    """How images are found.

    Args:
        steps: of Adam.
        rate: its learning rate.
        parametrisation: see `ImageParameters`.
        jitter: pixels by which images are shifted at most, at random, in each step; it forbids patterns of one pixel.
        l1, l2: penalties on the mean distance from grey, absolute and squared.
        tv: penalty on the mean difference of neighbouring pixels (total variation).
        seed: of the first noise and of the shifts.
    """

    steps: int = 128
    rate: float = 0.05
    parametrisation: Parametrisation = "fourier"
    jitter: int = 8
    l1: float = 0.0
    l2: float = 0.0
    tv: float = 0.0
    seed: int = 0


class Maximum(NamedTuple):
    """Images (N, 3, H, W) in [0, 1], and the objective (N,) that each reaches without jitter."""

    images: Tensor
    reached: Tensor


def maximise_objective(
    objective: Objective, count: int, side: int, settings: AscentSettings, device: torch.device | str = "cpu"
) -> Maximum:
    """Finds images that make an objective large.

    Args:
        objective: of a network that stays as it is; see `make_channel_objective`.
        count: images, each with its own objective.
        side: of the images, in pixels.
        settings: of the ascent.
        device: of the network.
    """
    parameters = ImageParameters(count, side, side, settings.parametrisation, settings.seed).to(device)
    optimizer = torch.optim.Adam(parameters.parameters(), settings.rate)
    random = torch.Generator().manual_seed(settings.seed)
    with torch.enable_grad():
        for _ in range(settings.steps):
            images = parameters()
            down, right = torch.randint(-settings.jitter, settings.jitter + 1, (2,), generator=random).tolist()
            shifted = torch.roll(images, (down, right), (2, 3))
            loss = _penalise(images, settings).sum() - objective(shifted).sum()
            optimizer.zero_grad()
            (gradient,) = torch.autograd.grad(loss, [parameters.values])
            parameters.values.grad = gradient
            optimizer.step()
    with torch.no_grad():
        images = parameters()
        return Maximum(images, objective(images))


def _penalise(images: Tensor, settings: AscentSettings) -> Tensor:
    """(N,) the penalties of images."""
    distance = images - 0.5
    rows, columns = images.diff(dim=2).abs().mean((1, 2, 3)), images.diff(dim=3).abs().mean((1, 2, 3))
    size = settings.l1 * distance.abs().mean((1, 2, 3)) + settings.l2 * distance.square().mean((1, 2, 3))
    return size + settings.tv * (rows + columns)


def make_channel_objective(backbone: Backbone, layer: str, channels: Sequence[int]) -> Objective:
    """The mean of channel n over the positions of a map, for image n.

    Args:
        backbone: in evaluation mode and float32.
        layer: number of the stage, or final.
        channels: one an image.
    """
    places = torch.tensor(list(channels))
    return lambda images: compute_channel_means(backbone, layer, images)[torch.arange(len(places)), places]


def compute_channel_means(backbone: Backbone, layer: str, images: Tensor) -> Tensor:
    """(N, C) means of all channels of a map over its positions.

    Raises:
        CandelabraError: there is no such map.
    """
    maps = name_maps(backbone(images))
    if layer not in maps:
        raise CandelabraError(f"stage={layer} is not known; allowed are {list_nearest(layer, maps)}.")
    return maps[layer].mean((2, 3))


@torch.no_grad()
def find_largest(measure: Callable[[Tensor], Tensor], batches: Iterable[Tensor]) -> tuple[Tensor, int]:
    """The largest value of each column that real images reach, and how many images there were.

    Args:
        measure: images (N, 3, H, W) -> (N, K).
        batches: of images.
    """
    best, count = None, 0
    for images in batches:
        values = measure(images).amax(0)
        best = values if best is None else torch.maximum(best, values)
        count += len(images)
    if best is None:
        raise CandelabraError("source= holds no image that can be read; give another.")
    return best, count
