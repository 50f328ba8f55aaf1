"""Rounding: whether this CPU rounds alike in batches of any size, and how far weights that are rounded otherwise go.

With some kernels of a CPU a batch of 8 is not 8 batches of 1.
"""

from functools import cache
from typing import cast

import torch

from candelabra.backbones import Timm
from candelabra.types import Features


@cache
def rounds_alike_in_small_batches() -> bool:
    """Whether tiny networks, and a linear layer, give each image of a batch of 8 the bits that it has in one of 2.

    Not so elsewhere: on an AMD EPYC (Zen 5), in one thread, features of test_resnet at 32 pixels differ from 16 images
    on, and those of test_efficientnet, some of the time, from 8.
    """
    networks = [Timm(name, weights="none").eval() for name in ("test_resnet", "test_convnext")]
    cases = [(network, torch.rand(8, 3, side, side)) for network in networks for side in (32, 64)]
    cases.append((torch.nn.Linear(512, 10), torch.rand(8, 512)))
    with torch.no_grad():
        return all(
            torch.equal(_run(network, values), torch.cat([_run(network, part) for part in values.split(2)]))
            for network, values in cases
        )


def _run(network: torch.nn.Module, values: torch.Tensor) -> torch.Tensor:
    out = network(values)
    return out.final if isinstance(out, Features) else cast(torch.Tensor, out)


@torch.no_grad()
def perturb_weights(network: torch.nn.Module, seed: int, relative: float) -> None:
    """Multiplies each weight by 1 and so many normal deviates; equal seeds draw the same."""
    for parameter in network.parameters():
        parameter *= 1 + relative * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
