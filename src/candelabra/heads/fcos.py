"""The head for `boxes`: a dense detector without anchors."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels
from candelabra.heads.box_assignment import match_boxes
from candelabra.heads.detector import Detector
from candelabra.heads.feature_pyramid import PYRAMID_STRIDES, FeaturePyramid, count_groups
from candelabra.heads.losses import giou_loss, quality_focal_loss
from candelabra.types import Features, Size

_PLACES = 4  # columns of outputs that hold distances
_GRID = 3  # columns of outputs that hold centre x, centre y and stride
_PRIOR = -math.log(99)  # a probability of 0.01: without it the many locations of no object swamp the first steps
_REACH = math.log(2.0)  # exponent: boxes begin with sides of four strides
_LARGEST = 6.0  # exponent of a distance in strides


class FCOS(Detector):
    """At each location of a feature pyramid, finds the box and the class of the object there.

    FCOS (Tian et al. 2019) with task-aligned assignment (TOOD, Feng et al. 2021): the score of a class is the expected
    IoU of the box, so it needs no centerness. Outputs are (N, L, 4 + C + 3): the distances of the left, top, right and
    bottom edge in pixels, logits of classes, and x, y and stride of the location, which no weight changes.

    Args:
        backbone, labels: what to read from, and the classes.
        width: channels of the pyramid and of the towers.
        layers: convolutions of each of the two towers.
        candidates: locations that learn an object; see `match_boxes`.
        score_power, overlap_power: likewise.
        class_weight: factor of the quality focal loss of scores.
        box_weight: factor of 1 - GIoU of the boxes.
        score_threshold, nms_threshold, max_detections: see `Detector`.
    """

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        width: int = 128,
        layers: int = 2,
        candidates: int = 10,
        score_power: float = 1.0,
        overlap_power: float = 3.0,
        class_weight: float = 1.0,
        box_weight: float = 2.0,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.6,
        max_detections: int = 300,
    ) -> None:
        super().__init__(labels, score_threshold, nms_threshold, max_detections)
        self.pyramid = FeaturePyramid(backbone, width)
        self.class_tower, self.box_tower = _make_tower(width, layers), _make_tower(width, layers)
        self.classify = nn.Conv2d(width, len(self.classes), 3, padding=1)
        self.locate = nn.Conv2d(width, _PLACES, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(PYRAMID_STRIDES)))
        for layer, bias in ((self.classify, _PRIOR), (self.locate, _REACH)):
            nn.init.normal_(layer.weight, std=0.01)
            layer.bias = nn.Parameter(torch.full((layer.out_channels,), bias))
        self.candidates, self.score_power, self.overlap_power = candidates, score_power, overlap_power
        self.class_weight, self.box_weight = class_weight, box_weight

    def forward(self, features: Features) -> Tensor:
        levels = zip(self.pyramid(features), PYRAMID_STRIDES, self.scales, strict=True)
        return torch.cat([self._read_level(*level) for level in levels], 1)

    def _read_level(self, level: Tensor, stride: int, scale: Tensor) -> Tensor:
        """(N, width, h, w) -> (N, h * w, 4 + C + 3)."""
        logits = self.classify(self.class_tower(level)).float()
        exponents = self.locate(self.box_tower(level)).float() * scale
        distances = stride * exponents.clamp(max=_LARGEST).exp()
        grid = _make_grid(level, stride).expand(level.shape[0], -1, -1, -1)
        return torch.cat([distances, logits, grid], 1).flatten(2).transpose(1, 2)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        with torch.autocast(outputs.device.type, enabled=False):
            found = _split_outputs(outputs.float())
            assigned = match_boxes(
                found.boxes,
                found.logits.sigmoid(),
                found.locations,
                target.float(),
                candidates=self.candidates,
                score_power=self.score_power,
                overlap_power=self.overlap_power,
                reach=PYRAMID_STRIDES[0],
            )
            quality = assigned.quality.amax(2)
            classes = quality_focal_loss(found.logits, assigned.quality)
            # An object is of no other class, also of those that its data set does not label.
            unknown = assigned.ignored & (quality[..., None] == 0)
            classes = classes.masked_fill(unknown, 0).sum((1, 2))
            wanted = torch.where(quality[..., None] > 0, assigned.boxes, found.boxes.detach())
            boxes = (giou_loss(found.boxes.flatten(0, 1), wanted.flatten(0, 1)).view_as(quality) * quality).sum(1)
            total = (self.class_weight * classes + self.box_weight * boxes) / quality.sum(1).clamp(min=1)
            return torch.where(self.labelled(target), total, 0.0)

    def decode(self, outputs: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        with torch.autocast(outputs.device.type, enabled=False):
            found = _split_outputs(outputs.float())
            return found.boxes, found.logits.sigmoid()

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """The locations of both images: suppression merges what both find."""
        left, top, right, bottom = mirrored[..., :_PLACES].unbind(-1)
        turned = torch.stack([right, top, left, bottom], -1)
        x, further = size[1] - mirrored[..., -_GRID, None], mirrored[..., -_GRID + 1 :]
        back = torch.cat([turned, mirrored[..., _PLACES:-_GRID], x, further], -1)
        return torch.cat([outputs, back], 1)


class _Outputs(NamedTuple):
    """What a dense detector gives: boxes (N, L, 4) XYXY in pixels, logits (N, L, C), locations (L, 2) XY."""

    boxes: Tensor
    logits: Tensor
    locations: Tensor


def _split_outputs(outputs: Tensor) -> _Outputs:
    """(N, L, 4 + C + 3) -> boxes, logits and locations."""
    distances, centres = outputs[..., :_PLACES], outputs[..., -_GRID:-1]
    boxes = torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)
    return _Outputs(boxes, outputs[..., _PLACES:-_GRID], centres[0].detach())


def _make_grid(level: Tensor, stride: int) -> Tensor:
    """(3, h, w) float32: x, y and stride of the locations of a level, in pixels."""
    height, width = level.shape[-2:]
    across = (torch.arange(width, device=level.device, dtype=torch.float32) + 0.5) * stride
    down = (torch.arange(height, device=level.device, dtype=torch.float32) + 0.5) * stride
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, stride)])


def _make_tower(width: int, layers: int) -> nn.Sequential:
    """Convolutions with group normalisation, which is the same for any batch and level."""
    steps: list[nn.Module] = []
    for _ in range(layers):
        steps += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(count_groups(width), width)]
        steps += [nn.ReLU(inplace=True)]
    return nn.Sequential(*steps)
