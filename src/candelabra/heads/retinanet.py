"""A head for `boxes`: a dense detector with anchors."""

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import sigmoid_focal_loss

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels
from candelabra.data.targets.object_rows import mirror_boxes
from candelabra.heads.detector import Detector
from candelabra.heads.feature_pyramid import FeaturePyramid, count_groups
from candelabra.heads.region_layers import ANCHORS_PER_LOCATION, build_anchor_generator, make_anchors
from candelabra.heads.region_matching import compute_delta_losses, encode_labels, match_regions, split_object_rows
from candelabra.types import Features, Size


class RetinaNet(Detector):
    """RetinaNet (Lin et al. 2017): scores each anchor by class, with the focal loss, and shifts it onto its object.

    Outputs are (N, L * A, C + 4): the logits of C classes and the deltas of A anchors at L locations of the pyramid.
    The towers have group normalisation, as those of torchvision's second version.

    Args:
        backbone, labels: what to read from, and the classes.
        width: channels of the pyramid and of the towers.
        score_threshold, nms_threshold, max_detections: see `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        width: int = 128,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_detections: int = 300,
    ) -> None:
        super().__init__(labels, score_threshold, nms_threshold, max_detections)
        self.pyramid = FeaturePyramid(backbone, width)
        norm = partial(nn.GroupNorm, count_groups(width))
        self.layers = RetinaNetHead(width, ANCHORS_PER_LOCATION, len(self.classes), norm)
        self.anchors = build_anchor_generator()
        self.matcher, self.coder = Matcher(0.5, 0.4, allow_low_quality_matches=True), BoxCoder((1.0, 1.0, 1.0, 1.0))

    def forward(self, features: Features) -> Tensor:
        found = self.layers(self.pyramid(features))
        return torch.cat([found["cls_logits"].float(), found["bbox_regression"].float()], 2)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        anchors = make_anchors(self.anchors, size, outputs.device)
        outputs = outputs[..., : len(self.classes) + 4].float()
        values = [self._compute_image_loss(*each, anchors, size) for each in zip(outputs, target, strict=True)]
        return torch.where(self.labelled(target), torch.stack(values), 0.0)

    def _compute_image_loss(self, outputs: Tensor, rows: Tensor, anchors: Tensor, size: Size) -> Tensor:
        logits, deltas = outputs.split([len(self.classes), 4], 1)
        found = match_regions(anchors, split_object_rows(rows, size), len(self.classes), self.matcher)
        focal = sigmoid_focal_loss(logits, encode_labels(found, len(self.classes)), reduction="none")
        focal = focal.masked_fill(found.unknown | (found.labels < 0)[:, None], 0)
        boxes = compute_delta_losses(deltas, self.coder.encode_single(found.boxes, anchors), found)
        total: Tensor = focal.sum() + boxes.sum()
        return total / (found.labels > 0).sum().clamp(min=1)

    def decode(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        anchors = make_anchors(self.anchors, size, outputs.device)
        boxes, scores = [], []
        for number, each in enumerate(outputs.float().split(len(self.classes) + 4, 2)):
            logits, deltas = each.split([len(self.classes), 4], 2)
            found = self.coder.decode_single(deltas.flatten(0, 1), anchors.repeat(each.shape[0], 1)).view_as(deltas)
            boxes.append(mirror_boxes(found, size[1]) if number else found)
            scores.append(logits.sigmoid())
        return torch.cat(boxes, 1), torch.cat(scores, 1)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Both beside each other: suppression merges what both find. The loss is that of the images."""
        return torch.cat([outputs, mirrored], 2)
