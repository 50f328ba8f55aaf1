"""How much of its receptive field a unit really uses (Luo et al. 2016)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

_TWO_DEVIATIONS = 1 - 0.9545  # of the largest gradient: what lies within two standard deviations of a normal curve


def measure_effective_field(
    run: Callable[[Tensor], Tensor], size: int, channels: int = 3, images: int = 8, seed: int = 0
) -> float:
    """The side, in pixels, of a square as large as the area whose pixels count for more than 4.55 % of the most.

    Mean absolute gradient of the middle unit, summed over channels, over images of noise.

    Args:
        run: images (N, C, size, size) -> a map (N, c, h, w); in evaluation mode.
        size: of the images; what the field is larger than is cut off.
        channels: of the images.
        images: of noise, one after another.
        seed: of the noise.
    """
    chance = torch.Generator().manual_seed(seed)
    total = torch.zeros(size, size)
    for _ in range(images):
        image = torch.randn(1, channels, size, size, generator=chance).requires_grad_()
        found = run(image)
        middle = found[0, :, found.shape[2] // 2, found.shape[3] // 2].sum()
        (gradient,) = torch.autograd.grad(middle, image)
        total += gradient[0].abs().sum(0)
    return math.sqrt(int((total > _TWO_DEVIATIONS * total.max()).sum()))
