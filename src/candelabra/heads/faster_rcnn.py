"""A head for `boxes`: the detector of two stages, which proposes regions and classifies them."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels
from candelabra.data.targets.object_rows import CLASS_COLUMN, mirror_boxes
from candelabra.heads.box_decoding import PADDING
from candelabra.heads.detector import Detector
from candelabra.heads.exported_regions import read_exported_regions, select_exported_regions
from candelabra.heads.feature_pyramid import FeaturePyramid, measure_levels
from candelabra.heads.region_layers import (
    ANCHORS_PER_LOCATION,
    POOLED_SIDE,
    ROI_POSITIVE,
    ROI_SAMPLES,
    RPN_POSITIVE,
    RPN_SAMPLES,
    build_roi_heads,
    build_rpn,
    make_anchors,
)
from candelabra.heads.region_matching import (
    ObjectLists,
    compute_delta_losses,
    encode_labels,
    match_regions,
    split_object_rows,
)
from candelabra.types import Features, Size


class FasterRCNN(Detector):
    """Faster R-CNN (Ren et al. 2015) on a feature pyramid (Lin et al. 2017), of torchvision's parts.

    The first stage scores anchors by class and takes the best score as objectness; with a single class, that is the
    paper's. A class that is not known in a data set (see `BoxesTarget`) is taught neither as object nor as background.

    Outputs are (N, L, width + A * C + A * 4) at the L locations of the pyramid: its features, and the logits of
    C classes and the deltas of A anchors. The second stage runs in `loss` and `predict`, because the objects are among
    the regions that it learns from. Nothing is sampled at random; see `match_regions`.

    Args:
        backbone, labels: what to read from, and the classes.
        width: channels of the pyramid.
        hidden: width of the two linear layers that read a region.
        proposals: regions an image that the second stage classifies; it learns from the best 128 of them. Give more
            than the objects of the fullest image.
        score_threshold, nms_threshold, max_detections: see `Detector`.
    """

    decodes_by_weights = True

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        width: int = 128,
        hidden: int = 512,
        proposals: int = 300,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_detections: int = 300,
    ) -> None:
        super().__init__(labels, score_threshold, nms_threshold, max_detections)
        self.width = width
        anchors = ANCHORS_PER_LOCATION
        self.columns = [width, anchors * len(self.classes), anchors * 4]  # of features, logits and deltas in outputs
        self.pyramid = FeaturePyramid(backbone, width)
        self.rpn = build_rpn(width, len(self.classes), proposals)
        self.roi_heads = build_roi_heads(width, hidden, len(self.classes))

    def forward(self, features: Features) -> Tensor:
        levels = self.pyramid(features)
        parts = zip(levels, *self.rpn.head(levels), strict=True)
        packed = [torch.cat([each.float() for each in part], 1).flatten(2).transpose(1, 2) for part in parts]
        if torch.is_grad_enabled():
            # 0, of no region: DDP waits for the gradient of each parameter also on a rank where `loss` is not called.
            nothing = self.roi_heads.box_predictor(
                self.roi_heads.box_head(levels[0].new_zeros(0, self.width, POOLED_SIDE, POOLED_SIDE))
            )
            packed[-1] = packed[-1] + sum(each.float().sum() for each in nothing)
        return torch.cat(packed, 1)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        stage = self._unpack(outputs, size)
        objects = [split_object_rows(rows, size) for rows in target]
        first = [
            self._compute_anchor_loss(*each, stage.anchors)
            for each in zip(stage.logits, stage.deltas, objects, strict=True)
        ]
        # The objects themselves are regions too, as in torchvision: the first proposals find none.
        regions = [
            torch.cat([own[:ROI_SAMPLES], each.taught[:, :CLASS_COLUMN]])
            for own, each in zip(self._propose(stage, size), objects, strict=True)
        ]
        logits, deltas = self._read_regions(stage.levels, regions, size)
        counts = [len(each) for each in regions]
        parts = zip(logits.split(counts), deltas.split(counts), objects, regions, strict=True)
        second = [self._compute_region_loss(*each) for each in parts]
        return torch.where(self.labelled(target), torch.stack(first) + torch.stack(second), 0.0)

    def _compute_anchor_loss(self, logits: Tensor, deltas: Tensor, objects: ObjectLists, anchors: Tensor) -> Tensor:
        """The loss of the first stage in one image."""
        rpn = self.rpn
        found = match_regions(anchors, objects, len(self.classes), rpn.proposal_matcher, RPN_SAMPLES, RPN_POSITIVE)
        wanted = encode_labels(found, len(self.classes))
        scores = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").masked_fill(found.unknown, 0)
        boxes = compute_delta_losses(deltas, rpn.box_coder.encode_single(found.boxes, anchors), found)
        return (found.weights * (scores.sum(1) + boxes)).sum()

    def _compute_region_loss(self, logits: Tensor, deltas: Tensor, objects: ObjectLists, regions: Tensor) -> Tensor:
        """The loss of the second stage in one image."""
        roi = self.roi_heads
        found = match_regions(regions, objects, len(self.classes), roi.proposal_matcher, ROI_SAMPLES, ROI_POSITIVE)
        labels = found.labels.clamp(min=0)
        possible = logits.masked_fill(F.pad(found.unknown, (1, 0)), -torch.inf)
        scores = F.cross_entropy(possible, labels, reduction="none")
        own = deltas.unflatten(1, (-1, 4))[torch.arange(len(labels), device=labels.device), labels]
        boxes = compute_delta_losses(own, roi.box_coder.encode_single(found.boxes, regions), found)
        return (found.weights * (scores + boxes)).sum()

    def decode(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        views = [self._decode_view(each, size) for each in outputs.split(sum(self.columns), 2)]
        boxes = [mirror_boxes(found, size[1]) if number else found for number, (found, _) in enumerate(views)]
        scores = [certain for _, certain in views]
        return torch.cat(boxes, 1), torch.cat(scores, 1)

    def decode_exported(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        stage = self._unpack(outputs, size)
        counts = [count * ANCHORS_PER_LOCATION for count in stage.counts]
        regions, there = select_exported_regions(
            self._decode_anchors(stage), stage.logits.amax(2), counts, size, self.rpn
        )
        pooled = read_exported_regions(self.roi_heads.box_roi_pool, stage.levels, regions)
        logits, deltas = self.roi_heads.box_predictor(self.roi_heads.box_head(pooled))
        boxes = self.roi_heads.box_coder.decode_single(deltas, regions.flatten(0, 1)).unflatten(1, (-1, 4))[:, 1:]
        scores = torch.where(there.flatten()[:, None], logits.softmax(1)[:, 1:], PADDING)
        own = torch.eye(len(self.classes)) > 0  # each class has its own box
        shape = (outputs.shape[0], regions.shape[1] * len(self.classes))
        return boxes.reshape(*shape, 4), torch.where(own, scores[..., None], PADDING).reshape(*shape, -1)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Both beside each other: suppression merges what both find. The loss is that of the images."""
        return torch.cat([outputs, mirrored], 2)

    def _decode_view(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Boxes (N, R * C, 4) and scores (N, R * C, C) of all regions of one view."""
        stage = self._unpack(outputs, size)
        regions = self._propose(stage, size)
        logits, deltas = self._read_regions(stage.levels, regions, size)
        boxes = self.roi_heads.box_coder.decode_single(deltas, torch.cat(regions)).unflatten(1, (-1, 4))[:, 1:]
        scores = logits.softmax(1)[:, 1:].diag_embed()  # each class has its own box
        counts = [len(each) for each in regions]
        rows = [[part.flatten(0, 1) for part in each.split(counts)] for each in (boxes, scores)]
        return pad_sequence(rows[0], batch_first=True), pad_sequence(rows[1], batch_first=True)

    def _unpack(self, outputs: Tensor, size: Size) -> "_FirstStage":
        sizes = measure_levels(size)
        counts = [height * width for height, width in sizes]
        maps, logits, deltas = outputs[..., : sum(self.columns)].float().split(self.columns, 2)
        levels = [
            part.transpose(1, 2).unflatten(2, extent) for part, extent in zip(maps.split(counts, 1), sizes, strict=True)
        ]
        anchors = make_anchors(self.rpn.anchor_generator, size, outputs.device)
        images = outputs.shape[0]
        logits = logits.reshape(images, -1, len(self.classes))
        return _FirstStage(levels, counts, logits, deltas.reshape(images, -1, 4), anchors)

    @torch.no_grad()
    def _propose(self, stage: "_FirstStage", size: Size) -> list[Tensor]:
        """(R, 4) regions of each image, best first, XYXY in pixels."""
        images = len(stage.logits)
        regions, _ = self.rpn.filter_proposals(
            self._decode_anchors(stage),
            stage.logits.amax(2),
            [size] * images,
            [count * ANCHORS_PER_LOCATION for count in stage.counts],
        )
        return cast(list[Tensor], regions)

    def _decode_anchors(self, stage: "_FirstStage") -> Tensor:
        """(N, L * A, 4) the boxes of the first stage, XYXY in pixels."""
        images = stage.deltas.shape[0]
        boxes: Tensor = self.rpn.box_coder.decode_single(stage.deltas.flatten(0, 1), stage.anchors.repeat(images, 1))
        return boxes.view(images, -1, 4)

    def _read_regions(self, levels: list[Tensor], regions: list[Tensor], size: Size) -> tuple[Tensor, Tensor]:
        """The second stage: (R, C + 1) logits, background first, and (R, (C + 1) * 4) deltas of all regions."""
        maps = {str(place): level for place, level in enumerate(levels)}
        pooled = self.roi_heads.box_roi_pool(maps, regions, [size] * len(regions))
        logits, deltas = self.roi_heads.box_predictor(self.roi_heads.box_head(pooled))
        return logits.float(), deltas.float()


class _FirstStage(NamedTuple):
    """What outputs hold.

    Args:
        levels: (N, width, h, w) each.
        counts: h * w of each.
        logits: (N, L * A, C).
        deltas: (N, L * A, 4).
        anchors: (L * A, 4) XYXY in pixels.
    """

    levels: list[Tensor]
    counts: list[int]
    logits: Tensor
    deltas: Tensor
    anchors: Tensor
