"""The sanity check of Adebayo et al. (2018): what explains a trained network must not explain a random one alike."""

import copy
from typing import TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


def copy_with_random_weights(module: M, seed: int = 0) -> M:
    """A copy with weights drawn anew, each tensor from a normal distribution of its own mean and deviation.

    The scale of each layer stays as it is, so that maps of the copy are not all zero; biases and the weights of norms
    are shuffled, as a normal distribution would turn the sign of some. Running statistics stay.

    Args:
        module: is not changed.
        seed: of the draw.
    """
    made = copy.deepcopy(module)
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                drawn = torch.randn(parameter.shape, generator=random)
                mean, deviation = parameter.mean(), parameter.std()
                parameter.copy_(drawn.to(parameter) * deviation + mean)
            else:
                order = torch.randperm(len(parameter), generator=random).to(parameter.device)
                parameter.copy_(parameter[order])
    return made
