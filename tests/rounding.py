"""Whether this CPU rounds alike in batches of any size: with some of its kernels a batch of 8 is not 8 batches of 1."""

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
