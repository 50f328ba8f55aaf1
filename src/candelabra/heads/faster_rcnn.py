"""A head for `boxes`: the detector of two stages, which proposes regions and classifies them."""

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import Metric
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import BoxesTarget, Labels
from candelabra.data.targets.object_rows import CLASS_COLUMN
from candelabra.heads.box_decoding import select_detections
from candelabra.heads.detection_metrics import NO_OBJECT, DetectionMetrics
from candelabra.heads.feature_pyramid import PYRAMID_STRIDES, FeaturePyramid
from candelabra.heads.head import Head, require_target
from candelabra.heads.region_matching import ObjectLists, RegionTargets, match_regions, split_object_rows
from candelabra.types import Features, Size

_SCALES = (3.0, 4.5)  # sides of anchors in strides: 24 to 288 pixels over all levels
_RATIOS = (0.5, 1.0, 2.0)  # height by width of anchors
_ANCHORS = len(_SCALES) * len(_RATIOS)  # at each location
_GRID = 7  # cells of a pooled region a side
_PRE_NMS = 1000  # anchors a level that suppression sees
_RPN_SAMPLES, _RPN_POSITIVE = 256, 0.5  # these four as in the papers; see `match_regions`
_ROI_SAMPLES, _ROI_POSITIVE = 128, 0.25
_BETA = 1 / 9  # of the smooth L1 distance of boxes, as in torchvision


class FasterRCNN(Head):
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
        score_threshold: least score of a detection.
        nms_threshold: the IoU above which the lower one of two detections of a class is dropped.
        max_detections: an image.
    """

    target: ClassVar[str] = BoxesTarget.name
    main_metric = "map50"
    tables = frozenset({"ap", "confusion"})
    unmeasured = NO_OBJECT

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
        super().__init__()
        self.target_info = require_target(labels, BoxesTarget)
        self.width, self.classes = width, self.target_info.classes
        self.pyramid = FeaturePyramid(backbone, width)
        self.rpn = _build_rpn(width, len(self.classes), proposals)
        self.roi_heads = _build_roi_heads(width, hidden, len(self.classes))
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.max_detections = max_detections

    def forward(self, features: Features) -> Tensor:
        levels = self.pyramid(features)
        parts = zip(levels, *self.rpn.head(levels), strict=True)
        packed = [torch.cat([each.float() for each in part], 1).flatten(2).transpose(1, 2) for part in parts]
        # 0, of no region: DDP waits for the gradient of each parameter also on a rank where `loss` is not called.
        nothing = self.roi_heads.box_predictor(
            self.roi_heads.box_head(levels[0].new_zeros(0, self.width, _GRID, _GRID))
        )
        packed[-1] = packed[-1] + sum(each.float().sum() for each in nothing)
        return torch.cat(packed, 1)

    def labelled(self, target: Tensor) -> Tensor:
        return self.target_info.is_labelled(target)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        stage = self._unpack(outputs, size)
        objects = [split_object_rows(rows, size) for rows in target]
        first = [
            self._compute_anchor_loss(*each, stage.anchors)
            for each in zip(stage.logits, stage.deltas, objects, strict=True)
        ]
        # The objects themselves are regions too, as in torchvision: the first proposals find none.
        regions = [
            torch.cat([own[:_ROI_SAMPLES], each.taught[:, :CLASS_COLUMN]])
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
        found = match_regions(anchors, objects, len(self.classes), rpn.proposal_matcher, _RPN_SAMPLES, _RPN_POSITIVE)
        wanted = F.one_hot(found.labels.clamp(min=0), len(self.classes) + 1)[:, 1:].to(logits)
        scores = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").masked_fill(found.unknown, 0)
        boxes = _compute_box_loss(deltas, rpn.box_coder.encode_single(found.boxes, anchors), found)
        return (found.weights * (scores.sum(1) + boxes)).sum()

    def _compute_region_loss(self, logits: Tensor, deltas: Tensor, objects: ObjectLists, regions: Tensor) -> Tensor:
        """The loss of the second stage in one image."""
        roi = self.roi_heads
        found = match_regions(regions, objects, len(self.classes), roi.proposal_matcher, _ROI_SAMPLES, _ROI_POSITIVE)
        labels = found.labels.clamp(min=0)
        possible = logits.masked_fill(F.pad(found.unknown, (1, 0)), -torch.inf)
        scores = F.cross_entropy(possible, labels, reduction="none")
        own = deltas.unflatten(1, (-1, 4))[torch.arange(len(labels), device=labels.device), labels]
        boxes = _compute_box_loss(own, roi.box_coder.encode_single(found.boxes, regions), found)
        return (found.weights * (scores + boxes)).sum()

    def metrics(self) -> dict[str, Metric]:
        return {"detections": DetectionMetrics(self.classes, self.max_detections)}

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        self.compare(metrics, self.predict(outputs[labelled], size), target[labelled], size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        metrics["detections"].update(predictions, target)

    def score(self, values: Mapping[str, float]) -> float | None:
        return values.get("map50")

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Detections (N, D, 6), rows of box, class and score, best first; filled up with rows of -1."""
        stage = self._unpack(outputs, size)
        regions = self._propose(stage, size)
        logits, deltas = self._read_regions(stage.levels, regions, size)
        boxes = self.roi_heads.box_coder.decode_single(deltas, torch.cat(regions)).unflatten(1, (-1, 4))[:, 1:]
        scores = logits.softmax(1)[:, 1:].diag_embed()  # each class has its own box
        counts = [len(each) for each in regions]
        found = [
            pad_sequence([part.flatten(0, 1) for part in each.split(counts)], batch_first=True)
            for each in (boxes, scores)
        ]
        return select_detections(
            found[0], found[1], size, self.score_threshold, self.nms_threshold, self.max_detections
        )

    def _unpack(self, outputs: Tensor, size: Size) -> "_FirstStage":
        sizes = [(math.ceil(size[0] / stride), math.ceil(size[1] / stride)) for stride in PYRAMID_STRIDES]
        counts = [height * width for height, width in sizes]
        maps, logits, deltas = outputs.float().split([self.width, _ANCHORS * len(self.classes), _ANCHORS * 4], 2)
        levels = [
            part.transpose(1, 2).unflatten(2, extent) for part, extent in zip(maps.split(counts, 1), sizes, strict=True)
        ]
        generator = self.rpn.anchor_generator
        generator.set_cell_anchors(torch.float32, outputs.device)
        anchors = torch.cat(generator.grid_anchors(sizes, [(stride, stride) for stride in PYRAMID_STRIDES]))
        logits = logits.reshape(len(outputs), -1, len(self.classes))
        return _FirstStage(levels, counts, logits, deltas.reshape(len(outputs), -1, 4), anchors)

    @torch.no_grad()
    def _propose(self, stage: "_FirstStage", size: Size) -> list[Tensor]:
        """(R, 4) regions of each image, best first, XYXY in pixels."""
        images = len(stage.logits)
        boxes = self.rpn.box_coder.decode_single(stage.deltas.flatten(0, 1), stage.anchors.repeat(images, 1))
        regions, _ = self.rpn.filter_proposals(
            boxes.view(images, -1, 4),
            stage.logits.amax(2),
            [size] * images,
            [count * _ANCHORS for count in stage.counts],
        )
        return cast(list[Tensor], regions)

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


def _compute_box_loss(deltas: Tensor, wanted: Tensor, found: RegionTargets) -> Tensor:
    """(R,) distance of deltas (R, 4), 0 where there is no object."""
    distance = F.smooth_l1_loss(deltas, wanted, reduction="none", beta=_BETA).sum(1)
    return distance.masked_fill(found.labels < 1, 0)


def _build_rpn(width: int, classes: int, proposals: int) -> RegionProposalNetwork:
    """The first stage, with logits of each class in place of one of objectness."""
    sides = tuple(tuple(scale * stride for scale in _SCALES) for stride in PYRAMID_STRIDES)
    head = RPNHead(width, _ANCHORS)
    head.cls_logits = nn.Conv2d(width, _ANCHORS * classes, 1)
    nn.init.normal_(head.cls_logits.weight, std=0.01)
    nn.init.constant_(head.cls_logits.bias, -math.log(2 * classes - 1))  # the loss starts the same for any classes
    before, after = ({"training": count, "testing": count} for count in (_PRE_NMS, proposals))
    generator = AnchorGenerator(sides, (_RATIOS,) * len(sides))
    return RegionProposalNetwork(generator, head, 0.7, 0.3, _RPN_SAMPLES, _RPN_POSITIVE, before, after, 0.7)


def _build_roi_heads(width: int, hidden: int, classes: int) -> RoIHeads:
    """The layers of the second stage; its own sampling and decoding are not used."""
    pool = MultiScaleRoIAlign([str(place) for place in range(len(PYRAMID_STRIDES))], _GRID, 2)
    # Without these, the pool takes them from the first batch, wrongly where sides are not multiples of the strides.
    pool.scales = [1 / stride for stride in PYRAMID_STRIDES]
    pool.map_levels = LevelMapper(int(math.log2(PYRAMID_STRIDES[0])), int(math.log2(PYRAMID_STRIDES[-1])))
    head, predictor = TwoMLPHead(width * _GRID**2, hidden), FastRCNNPredictor(hidden, classes + 1)
    unused = {"score_thresh": 0.0, "nms_thresh": 0.5, "detections_per_img": 0}
    return RoIHeads(pool, head, predictor, 0.5, 0.5, _ROI_SAMPLES, _ROI_POSITIVE, None, **unused)
