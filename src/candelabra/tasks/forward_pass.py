"""Runs the backbone of a task: also on a training batch of one image, which batch normalisation cannot take."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.types import Features

Inputs = TypeVar("Inputs")


def run_backbone(backbone: Backbone, images: Tensor) -> Features:
    """The features of images (N, C, H, W), of which there may be one alone in training mode too.

    Batch normalisation refuses one value a channel, which is what a map of one pixel gives it; the image is then shown
    twice, as heads do with a single labelled sample. Of images (N, V, C, H, W), V views of each, the final features are
    (N, V, num_features, h, w), without other maps.

    Raises:
        CandelabraError: in the backward pass, if a head reads a map that a compiled backbone took for unread.
    """
    if images.ndim > 4:
        final = run_backbone(backbone, images.flatten(0, 1)).final
        return Features((), final.unflatten(0, images.shape[:2]), (images.shape[-2], images.shape[-1]))
    alone = len(images) == 1 and backbone.training
    features: Features = _run_alone(backbone, images, _double) if alone else backbone(images)
    return _guard_unread(backbone, features)


def resume_backbone(backbone: Backbone, first: Features) -> Features:
    """The features of all stages, computed from those of the first ones; see `Backbone.resume`.

    Of one image in training mode too, as in `run_backbone`.
    """
    if len(first.final) > 1 or not backbone.training:
        return backbone.resume(first)
    return _run_alone(backbone.resume, first, _double_features)


def _run_alone(run: Callable[[Inputs], Features], one: Inputs, double: Callable[[Inputs], Inputs]) -> Features:
    """The features of one image; where batch normalisation refuses it, the first of a pair of equal ones."""
    try:
        return run(one)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        features = run(double(one))
    return Features([each[:1] for each in features.maps], features.final[:1], features.size)


def _double(values: Tensor) -> Tensor:
    return torch.cat([values, values])


def _double_features(first: Features) -> Features:
    return Features([*map(_double, first.maps)], _double(first.final), first.size)


def _guard_unread(backbone: Backbone, features: Features) -> Features:
    """Makes a gradient that reaches a map without one an error: the backbone would not learn from it."""
    if not (backbone.training and torch.is_grad_enabled() and backbone.unread):
        return features
    maps = list(features.maps)
    for index in backbone.unread:
        maps[index] = maps[index].requires_grad_()
        maps[index].register_hook(partial(_refuse_gradient, index))
    return Features(maps, features.final, features.size)


def _refuse_gradient(index: int, gradient: Tensor) -> None:
    raise CandelabraError(
        f"A head reads map {index} of the backbone in this batch, and did not when the backbone was compiled; set "
        "compile=false."
    )
