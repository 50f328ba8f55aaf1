"""Evidence by changed images: parts are hidden, or faded in, and the score is read again."""

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.explain.network import ScoredNetwork


def compute_scorecam(
    network: ScoredNetwork, image: Tensor, activation: Tensor, channels: int | None = None, batch_size: int = 32
) -> Tensor:
    """Score-CAM (Wang et al. 2020): channels weighed by the score of the image seen through each alone; (h, w).

    Args:
        network: with the score.
        image: (3, H, W).
        activation: (C, h, w).
        channels: those with the largest activations are weighed, to save time; null for all.
        batch_size: images in a forward pass.
    """
    low, high = activation.amin((1, 2), keepdim=True), activation.amax((1, 2), keepdim=True)
    masks = (activation - low) / (high - low + 1e-8)
    rows = high.flatten().argsort(descending=True)[:channels]
    background = network.baseline.to(image)
    rises = []
    for batch in masks[rows].split(batch_size):
        seen = F.interpolate(batch[:, None], image.shape[1:], mode="bilinear", align_corners=False)
        rises.append(read_scores(network, background + seen * (image - background), batch_size))
    weights = (torch.cat(rises) - read_scores(network, image[None], batch_size)).softmax(0)
    return (weights[:, None, None] * activation[rows]).sum(0)


def compute_occlusion(network: ScoredNetwork, image: Tensor, cells: int = 14, batch_size: int = 32) -> Tensor:
    """By how much the score falls where a patch hides the image (Zeiler & Fergus 2014); (cells, cells).

    Args:
        network: with the score.
        image: (3, H, W).
        cells: a side; each patch hides two by two of them.
        batch_size: images in a forward pass.
    """
    height, width = image.shape[1:]
    rows, columns = (torch.linspace(0, side, cells + 1).round().int().tolist() for side in (height, width))
    background = network.baseline.to(image)
    places = [(top, left) for top in range(cells - 1) for left in range(cells - 1)]
    drops = []
    for start in range(0, len(places), batch_size):
        here = places[start : start + batch_size]
        hidden = image.repeat(len(here), 1, 1, 1)
        for number, (top, left) in enumerate(here):
            hidden[number, :, rows[top] : rows[top + 2], columns[left] : columns[left + 2]] = background
        drops.append(read_scores(network, hidden, batch_size))
    fall = read_scores(network, image[None], batch_size) - torch.cat(drops)
    grid = fall.view(1, 1, cells - 1, cells - 1)
    kernel = grid.new_ones(1, 1, 2, 2)
    # A cell is hidden by one to four patches: the mean of their drops.
    summed = F.conv_transpose2d(grid, kernel)
    return (summed / F.conv_transpose2d(torch.ones_like(grid), kernel))[0, 0]


def compute_integrated_gradients(network: ScoredNetwork, image: Tensor, steps: int = 32, batch_size: int = 8) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017) from an image of one colour; (H, W), summed over colours.

    The sum over all pixels is the score of the image less that of the baseline, but for the error of the steps.

    Args:
        network: with the score.
        image: (3, H, W).
        steps: of the integral, by the midpoint rule.
        batch_size: images in a forward pass.
    """
    start = network.baseline.to(image).expand_as(image)
    total = torch.zeros_like(image)
    for shares in ((torch.arange(steps, device=image.device) + 0.5) / steps).split(batch_size):
        between = (start + shares[:, None, None, None] * (image - start)).requires_grad_()
        with torch.enable_grad():
            scores = network.run(between).scores
        total += torch.autograd.grad(scores.sum(), between)[0].sum(0)
    return ((image - start) * total / steps).sum(0)


@torch.no_grad()
def read_scores(network: ScoredNetwork, images: Tensor, batch_size: int) -> Tensor:
    """The scores (N,) of images (N, 3, H, W)."""
    return torch.cat([network.run(batch).scores for batch in images.split(batch_size)])
