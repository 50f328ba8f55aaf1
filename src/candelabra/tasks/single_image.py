"""A training batch of one image, which batch normalisation alone cannot take."""

from typing import cast

import torch
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.types import Features


def run_backbone(backbone: Backbone, images: Tensor) -> Features:
    """The features of images (N, C, H, W), of which there may be one alone in training mode too.

    Batch normalisation refuses one value a channel, which is what a map of one pixel gives it; the image is then shown
    twice, as heads do with a single labelled sample.
    """
    if len(images) > 1 or not backbone.training:
        return cast(Features, backbone(images))
    try:
        features: Features = backbone(images)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        pair: Features = backbone(torch.cat([images, images]))
        features = Features([each[:1] for each in pair.maps], pair.final[:1], pair.size)
    return features
