"""Gradients of a score by feature maps, without hooks: the maps are tensors of the graph."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

_LAYOUT = ("Permute", "Transpose", "Clone", "View", "UnsafeView", "ReshapeAlias", "Slice", "Unsqueeze", "Squeeze", "T")
_LAYOUT_NODES = {f"{word}Backward0" for word in _LAYOUT}


def compute_map_gradients(scores: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
    """The gradient of the sum of scores by each map, in the shape of the map; zeros where nothing depends on it.

    Some backbones hand out a copy of what their next stage reads: a Swin turns its maps to NCHW, a ViT cuts the class
    token off. The gradient is then taken by what was copied, and brought into the layout of the copy, so that it
    holds all that later stages make of the map.

    Args:
        scores: (N,), in the graph of the maps.
        maps: each (N, C, h, w).
    """
    edges = [_find_source(each) for each in maps]
    found = torch.autograd.grad(scores.sum(), edges, allow_unused=True, retain_graph=True)
    return [_restore_layout(*each) for each in zip(maps, edges, found, strict=True)]


def _find_source(tensor: Tensor) -> GradientEdge:
    """The first tensor before this one that differs from it in more than its layout, as an edge of the graph."""
    edge = get_gradient_edge(tensor)
    while edge.node.name() in _LAYOUT_NODES:
        node, number = edge.node.next_functions[0]
        if node is None or node.name().startswith("torch::autograd::AccumulateGrad"):
            break
        edge = GradientEdge(node, number)
    return edge


def _restore_layout(tensor: Tensor, edge: GradientEdge, gradient: Tensor | None) -> Tensor:
    """A gradient by `edge` in the layout of the tensor: the layout is linear, so it is the vjp of its own vjp."""
    if gradient is None:
        return torch.zeros_like(tensor)
    if edge.node is get_gradient_edge(tensor).node:
        return gradient.detach()
    probe = torch.zeros_like(tensor, requires_grad=True)
    (turned,) = torch.autograd.grad(tensor, edge, probe, create_graph=True, retain_graph=True)
    (restored,) = torch.autograd.grad(turned, probe, gradient.detach())
    return restored
