"""Effective receptive fields (Luo et al. 2016, "Understanding the effective receptive field in deep CNNs")."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

_TWO_DEVIATIONS = 1 - 0.9545  # share of the largest gradient; two standard deviations of a normal distribution


def measure_effective_field(
    run: Callable[[Tensor], Tensor], size: int, channels: int = 3, images: int = 8, seed: int = 0
) -> float:
    """Measure the effective receptive field of the middle element of a map.

    The field contains the pixels with more than 4.55 % of the largest absolute gradient of the middle element,
    summed over channels and over images of noise.

    Args:
        run: computes a map (N, c, h, w) of images (N, C, size, size), in evaluation mode.
        size: side of the images in pixels; larger fields are cut off.
        channels: of the images.
        images: number of noise images.
        seed: of the noise.

    Returns:
        The side, in pixels, of a square with the area of the field.
    """
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(size, size)
    for _ in range(images):
        image = torch.randn(1, channels, size, size, generator=generator).requires_grad_()
        found = run(image)
        middle = found[0, :, found.shape[2] // 2, found.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(middle, image)
        total += gradient[0].abs().sum(0)
    return math.sqrt(int((total > _TWO_DEVIATIONS * total.max()).sum()))
