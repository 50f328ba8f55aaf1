"""Losses that torch, torchvision and segmentation-models-pytorch lack, or lack for each sample."""

from candelabra.heads.losses.class_weights import compute_class_weights, is_imbalanced
from candelabra.heads.losses.dice import soft_dice_loss
from candelabra.heads.losses.giou import giou_loss
from candelabra.heads.losses.map_gradient import map_gradient_loss
from candelabra.heads.losses.metric_learning import ArcFace, MultiSimilarity, ProxyAnchor, SupCon
from candelabra.heads.losses.pixels import find_boundaries, focal_cross_entropy, lovasz_loss
from candelabra.heads.losses.points import SmoothL1, Wing
from candelabra.heads.losses.quality_focal import quality_focal_loss
from candelabra.heads.losses.views import NTXent, SimSiam, VICReg

__all__ = [
    "ArcFace",
    "MultiSimilarity",
    "NTXent",
    "ProxyAnchor",
    "SimSiam",
    "SmoothL1",
    "SupCon",
    "VICReg",
    "Wing",
    "compute_class_weights",
    "find_boundaries",
    "focal_cross_entropy",
    "giou_loss",
    "is_imbalanced",
    "lovasz_loss",
    "map_gradient_loss",
    "quality_focal_loss",
    "soft_dice_loss",
]
