"""Fooling images: small changes that turn an answer (Szegedy et al. 2014), by projected gradient descent."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Logits = Callable[[Tensor], Tensor]  # images (N, 3, H, W) in [0, 1] -> (N, classes)
_SHARES = (0.125, 0.25, 0.5, 1.0)  # of the largest change, that are tried one after the other


class FoolingImages(NamedTuple):
    """Images that were changed.

    Args:
        images: (N, 3, H, W) in [0, 1], of the least change that turned the answer; else of the largest.
        epsilons: (N,) the bound of that change of any pixel, in [0, 1].
        fooled: (N,) bool, whether the network takes them for the wanted class.
    """

    images: Tensor
    epsilons: Tensor
    fooled: Tensor


def find_fooling_images(
    compute_logits: Logits, images: Tensor, wanted: Tensor, epsilon: float, steps: int = 20
) -> FoolingImages:
    """The smallest changes found, within a bound on each pixel, that make a network take images for other classes.

    Projected gradient descent with the sign of the gradient (Madry et al. 2018) under growing bounds, an eighth, a
    quarter, a half and all of `epsilon`; those that are fooled stay as they are.

    Args:
        compute_logits: of a network that stays as it is.
        images: (N, 3, H, W) in [0, 1].
        wanted: (N,) int64, the classes to be taken for.
        epsilon: the largest change of a pixel, in [0, 1].
        steps: of the descent under each bound.
    """
    best = images.clone()
    epsilons = torch.full((len(images),), epsilon, device=images.device)
    fooled = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    for share in _SHARES:
        rows = (~fooled).nonzero().flatten()
        if not len(rows):
            break
        changed = _descend(compute_logits, images[rows], wanted[rows], share * epsilon, steps)
        with torch.no_grad():
            turned = compute_logits(changed).argmax(1) == wanted[rows]
        best[rows] = changed
        epsilons[rows] = share * epsilon
        fooled[rows] = turned
    return FoolingImages(best, epsilons, fooled)


def _descend(compute_logits: Logits, images: Tensor, wanted: Tensor, epsilon: float, steps: int) -> Tensor:
    changed = images.clone()
    for _ in range(steps):
        changed.requires_grad_()
        with torch.enable_grad():
            loss = torch.nn.functional.cross_entropy(compute_logits(changed), wanted, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, changed)
        stepped = changed.detach() - 2.5 * epsilon / steps * gradient.sign()
        changed = torch.minimum(torch.maximum(stepped, images - epsilon), images + epsilon).clamp(0, 1)
    return changed.detach()


def draw_wanted_classes(predicted: Tensor, count: int, seed: int) -> Tensor:
    """For each image (N,) a class at random, of `count`, other than the predicted one."""
    shifts = torch.randint(1, count, predicted.shape, generator=torch.Generator().manual_seed(seed))
    return (predicted + shifts.to(predicted.device)) % count
