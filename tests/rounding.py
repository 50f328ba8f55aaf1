"""Rounding: whether this CPU rounds alike in batches of any size, and how far weights that are rounded otherwise go.

With some kernels of a CPU a batch of 8 is not 8 batches of 1.
"""

from functools import cache

import torch

from candelabra.backbones import Timm


@cache
def rounds_alike_in_any_batch() -> bool:
    """Whether a tiny network, and a linear layer, give each image of a batch the bits that it has alone."""
    images, backbone = torch.rand(16, 3, 64, 64), Timm("test_resnet", weights="none").eval()
    vectors, linear = torch.rand(16, 512), torch.nn.Linear(512, 10)
    with torch.no_grad():
        whole = [backbone(images).final, linear(vectors)]
        parts = [
            torch.cat([backbone(part).final for part in images.split(2)]),
            torch.cat([linear(part) for part in vectors.split(2)]),
        ]
    return all(map(torch.equal, whole, parts))


@torch.no_grad()
def perturb_weights(network: torch.nn.Module, seed: int, relative: float) -> None:
    """Multiplies each weight by 1 and so many normal deviates; equal seeds draw the same."""
    for parameter in network.parameters():
        parameter *= 1 + relative * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
