"""Measures that say how far a map of evidence can be trusted."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from candelabra.explain.network import ScoredNetwork

_BLUR = 0.08  # standard deviation of the blurred image of insertion, in image sides


class Curves(NamedTuple):
    """Mean confidence while pixels are inserted or deleted, those of most evidence first; see `measure_curves`."""

    insertion: float
    deletion: float


def enlarge_heat(heat: Tensor, size: tuple[int, int]) -> Tensor:
    """A map (h, w) at the (H, W) of what the network sees, between the centres of its cells."""
    return F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def is_pointing_inside(heat: Tensor, region: Tensor) -> bool:
    """Pointing game (Zhang et al. 2018): whether the largest value of a map (h, w) lies in a region (H, W).

    A map that is zero everywhere points nowhere.
    """
    if not bool((heat > 0).any()):
        return False
    large = enlarge_heat(heat, (region.shape[0], region.shape[1]))
    return bool(region.flatten()[large.argmax()])


@torch.no_grad()
def measure_curves(
    network: ScoredNetwork, image: Tensor, heat: Tensor, steps: int = 16, batch_size: int = 16
) -> Curves:
    """Insertion and deletion (Petsiuk et al. 2018): areas under curves of confidence by the share of pixels.

    Insertion puts pixels into a blurred image, and is better when higher; deletion replaces them by the baseline
    colour of the network, and is better when lower.

    Args:
        network: with the answer.
        image: (3, H, W).
        heat: (h, w).
        steps: of each curve, of equal numbers of pixels.
        batch_size: images in a forward pass.
    """
    height, width = image.shape[1:]
    order = enlarge_heat(heat, (height, width)).to(image.device).flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    limits = torch.linspace(0, len(order), steps + 1, device=image.device)
    seen = (rank[None] < limits[:, None]).view(-1, 1, height, width)
    sigma = _BLUR * max(height, width)
    blurred = gaussian_blur(image, [2 * round(2 * sigma) + 1] * 2, [sigma] * 2)
    inserted = torch.where(seen, image, blurred)
    deleted = torch.where(seen, network.baseline.to(image), image)
    areas = []
    for images in (inserted, deleted):
        values = torch.cat([network.measure_confidence(part) for part in images.split(batch_size)])
        areas.append(float(torch.trapezoid(values) / steps))
    return Curves(*areas)


@torch.no_grad()
def measure_drop(network: ScoredNetwork, image: Tensor, heat: Tensor) -> float:
    """Average drop (Chattopadhay et al. 2018): share of the confidence that is lost when only the evidence is seen."""
    large = enlarge_heat(heat, (image.shape[1], image.shape[2])).to(image)
    mask = large / large.max().clamp(min=1e-12)
    background = network.baseline.to(image)
    both = torch.stack([image, background + mask * (image - background)])
    whole, seen = (float(value) for value in network.measure_confidence(both))
    return max(0.0, whole - seen) / max(whole, 1e-6)


def compute_rank_correlation(heat: Tensor, other: Tensor) -> float:
    """Spearman's correlation of two maps (h, w); 0 where one of them is constant and says nothing of the other."""
    from scipy.stats import spearmanr

    if heat.min() == heat.max() or other.min() == other.max():
        return 0.0
    return float(spearmanr(heat.flatten().numpy(), other.flatten().numpy()).statistic)
