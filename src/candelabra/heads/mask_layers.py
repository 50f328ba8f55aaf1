"""The layers that find the pixels of an object in its box, of torchvision's parts."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import roi_align

from candelabra.backbones.backbone import Backbone
from candelabra.data.decoding.mask_cells import MASK_SIDE
from candelabra.data.targets.instance_maps import UNKNOWN
from candelabra.heads.feature_pyramid import count_groups
from candelabra.heads.pyramid import resample
from candelabra.types import Features, Size

MASK_STRIDE = 4  # of the map that masks are read from
_COARSEST = 32  # stride of the last map that goes into it


class MaskFeatures(nn.Module):
    """One map of stride 4 for the masks of all objects, whatever their size, as in CondInst (Tian et al. 2020).

    Args:
        backbone: of which channels and strides are read.
        width: channels of the map.
    """

    def __init__(self, backbone: Backbone, width: int) -> None:
        super().__init__()
        self.maps = [i for i, stride in enumerate(backbone.strides) if 1 < stride <= _COARSEST] or [-1]
        self.laterals = nn.ModuleList(nn.Conv2d(backbone.channels[i], width, 1, bias=False) for i in self.maps)
        self.refine = nn.Sequential(
            nn.GroupNorm(count_groups(width), width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(count_groups(width), width),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Features) -> Tensor:
        """Features of N images of (H, W) -> (N, width, ceil(H / 4), ceil(W / 4))."""
        size = measure_mask_map(features.size)
        parts = zip(self.laterals, self.maps, strict=True)
        fused: Tensor = sum(resample(lateral(features.maps[i]), size) for lateral, i in parts)  # type: ignore[assignment]
        refined: Tensor = self.refine(fused)
        return refined


class MaskBranch(nn.Module):
    """The mask of each object from the part of a map that its box covers; the same for all classes.

    Args:
        width: channels of the map, and of the convolutions.
        layers: convolutions.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        normalize = partial(nn.GroupNorm, count_groups(width))
        self.convolutions = MaskRCNNHeads(width, (width,) * layers, 1, normalize)
        self.predictor = MaskRCNNPredictor(width, width, 1)

    def forward(self, maps: Tensor, boxes: list[Tensor] | Tensor) -> Tensor:
        """Maps (N, width, h, w) of stride 4, and boxes XYXY in pixels -> (all R, S, S) logits.

        Args:
            maps: of N images.
            boxes: (R, 4) of each image, or (all R, 5) with the number of the image first.
        """
        pooled = roi_align(maps, boxes, MASK_SIDE // 2, 1 / MASK_STRIDE, 2, aligned=True)
        logits: Tensor = self.predictor(self.convolutions(pooled))
        return logits[:, 0].float()


def measure_mask_map(size: Size) -> tuple[int, int]:
    """(h, w) of the map that masks are read from, of images of (H, W) = `size`."""
    return math.ceil(size[0] / MASK_STRIDE), math.ceil(size[1] / MASK_STRIDE)


def crop_masks(values: Tensor, codes: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The masks to be learned: which share of each cell of a box is the object.

    Args:
        values: (H, W) map of objects; see `InstancesTarget`.
        codes: (R,) value of the object of each box.
        boxes: (R, 4) XYXY in pixels.

    Returns:
        (R, S, S) float32 shares, and (R, S, S) bool whether the cell is labelled.
    """
    steps = (torch.arange(2 * MASK_SIDE, device=values.device) + 0.5) / (2 * MASK_SIDE)  # four places a cell
    places = boxes[:, None, :2] + steps[None, :, None] * (boxes[:, None, 2:] - boxes[:, None, :2])
    columns, rows = places.floor().long().unbind(2)
    outside = (columns < 0) | (columns >= values.shape[1]), (rows < 0) | (rows >= values.shape[0])
    found = values[rows.clamp(0, values.shape[0] - 1)[:, :, None], columns.clamp(0, values.shape[1] - 1)[:, None]]
    unknown = (found == UNKNOWN) | outside[1][:, :, None] | outside[0][:, None]
    inside = (found == codes[:, None, None]).float()
    known = F.max_pool2d(unknown[:, None].float(), 2)[:, 0] == 0
    return F.avg_pool2d(inside[:, None], 2)[:, 0], known
