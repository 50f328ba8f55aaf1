"""Runs the backbone of a task: also on a training batch of one image, which batch normalisation cannot take."""

from functools import partial
from typing import cast

import torch
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.types import Features


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
    if len(images) > 1 or not backbone.training:
        return _guard_unread(backbone, cast(Features, backbone(images)))
    try:
        features: Features = backbone(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        pair: Features = backbone(torch.cat([images, images]))
        features = Features([each[:1] for each in pair.maps], pair.final[:1], pair.size)
    return _guard_unread(backbone, features)


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
