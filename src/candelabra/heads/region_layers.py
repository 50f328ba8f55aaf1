"""The layers of detectors with anchors on a feature pyramid, of torchvision's parts."""

import math

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from candelabra.heads.feature_pyramid import PYRAMID_STRIDES, measure_levels
from candelabra.types import Size

_SCALES = (3.0, 4.5)  # sides of anchors in strides: 24 to 288 pixels over all levels, for images of about 256
_RATIOS = (0.5, 1.0, 2.0)  # height by width of anchors
ANCHORS_PER_LOCATION = len(_SCALES) * len(_RATIOS)
POOLED_SIDE = 7  # cells of a pooled region
RPN_SAMPLES, RPN_POSITIVE = 256, 0.5  # these four as in the papers; see `match_regions`
ROI_SAMPLES, ROI_POSITIVE = 128, 0.25
_PRE_NMS = 1000  # anchors a level that suppression sees


def build_anchor_generator() -> AnchorGenerator:
    """Builds torchvision's generator, with the same anchors in strides on each level of the pyramid."""
    sides = tuple(tuple(scale * stride for scale in _SCALES) for stride in PYRAMID_STRIDES)
    return AnchorGenerator(sides, (_RATIOS,) * len(sides))


def make_anchors(generator: AnchorGenerator, size: Size, device: torch.device) -> Tensor:
    """(A, 4) anchors of all levels, XYXY in pixels.

    The generator itself takes strides from the sizes of maps, wrongly where sides are not multiples of the strides.
    """
    generator.set_cell_anchors(torch.float32, device)
    return torch.cat(generator.grid_anchors(measure_levels(size), [(stride, stride) for stride in PYRAMID_STRIDES]))


def build_rpn(width: int, classes: int, proposals: int) -> RegionProposalNetwork:
    """Builds the first stage, with a logit of each class in place of one of objectness.

    Args:
        width: channels of the pyramid.
        classes: their number.
        proposals: regions an image.
    """
    head = RPNHead(width, ANCHORS_PER_LOCATION)
    head.cls_logits = nn.Conv2d(width, ANCHORS_PER_LOCATION * classes, 1)
    nn.init.normal_(head.cls_logits.weight, std=0.01)
    nn.init.constant_(head.cls_logits.bias, -math.log(2 * classes - 1))  # the loss starts the same for any classes
    before, after = ({"training": count, "testing": count} for count in (_PRE_NMS, proposals))
    return RegionProposalNetwork(
        build_anchor_generator(), head, 0.7, 0.3, RPN_SAMPLES, RPN_POSITIVE, before, after, 0.7
    )


def build_roi_heads(width: int, hidden: int, classes: int) -> RoIHeads:
    """Builds the layers of the second stage; torchvision's own sampling and decoding in it are not used.

    Args:
        width: channels of the pyramid.
        hidden: width of the two linear layers.
        classes: their number, without background.
    """
    pool = MultiScaleRoIAlign([str(place) for place in range(len(PYRAMID_STRIDES))], POOLED_SIDE, 2)
    # Without these, the pool takes them from the first batch, wrongly where sides are not multiples of the strides.
    pool.scales = [1 / stride for stride in PYRAMID_STRIDES]
    pool.map_levels = LevelMapper(int(math.log2(PYRAMID_STRIDES[0])), int(math.log2(PYRAMID_STRIDES[-1])))
    head, predictor = TwoMLPHead(width * POOLED_SIDE**2, hidden), FastRCNNPredictor(hidden, classes + 1)
    unused = {"score_thresh": 0.0, "nms_thresh": 0.5, "detections_per_img": 0}
    return RoIHeads(pool, head, predictor, 0.5, 0.5, ROI_SAMPLES, ROI_POSITIVE, None, **unused)
