"""What the regions of a detector learn: anchors, and the proposals of its first stage."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_area, box_iou, clip_boxes_to_image

from candelabra.data.targets.object_rows import CLASS_COLUMN, IGNORED_SCORE, SCORE_COLUMN, clip_rows, compute_areas
from candelabra.heads.box_overlaps import compute_intersections
from candelabra.types import Size

_BETA = 1 / 9  # of the smooth L1 distance of boxes, as in torchvision
_COVERED = 0.5  # share of a region's area in the image from which an ignored region covers it


class ObjectLists(NamedTuple):
    """The rows of one image that teach, and those of regions that do not; see `BoxesTarget`.

    Args:
        taught: (K, 6).
        ignored: (M, 6).
        size: (H, W) of the image.
    """

    taught: Tensor
    ignored: Tensor
    size: Size


class RegionTargets(NamedTuple):
    """What each of R regions of an image learns.

    Args:
        labels: (R,) int64: 1 + the class of an object, 0 for background, -1 for neither.
        boxes: (R, 4) the box to find, XYXY in pixels; the region itself where there is no object.
        unknown: (R, C) bool: a region of background of which nobody knows whether it holds an object of the class.
        weights: (R,) of the losses of the regions; their sum is 1, or 0 where no region learns.
    """

    labels: Tensor
    boxes: Tensor
    unknown: Tensor
    weights: Tensor


def split_object_rows(rows: Tensor, size: Size) -> ObjectLists:
    """Divides the rows (K, 6) of one image of (H, W) = `size`; drops padding and what has no area in the image."""
    rows = clip_rows(rows.float(), size)
    valid = rows[rows.isfinite().all(1) & (rows[:, CLASS_COLUMN] >= 0) & (compute_areas(rows) > 0)]
    taught = valid[:, SCORE_COLUMN] > IGNORED_SCORE
    return ObjectLists(valid[taught], valid[~taught], size)


@torch.no_grad()
def match_regions(
    regions: Tensor,
    objects: ObjectLists,
    classes: int,
    matcher: Callable[[Tensor], Tensor],
    samples: int = 256,
    positive_fraction: float = 0.5,
) -> RegionTargets:
    """Matches regions with objects by IoU.

    Faster R-CNN (Ren et al. 2015) samples regions at random, a limited share of them with an object. The weights here
    are the expectation of that: the same for a sample in any batch, in training and in validation, and with less noise.

    Args:
        regions: (R, 4) XYXY in pixels, each with an area.
        objects: of the image.
        classes: their number C.
        matcher: torchvision's: IoU (K, R) -> (R,) the object of each region, -1 for background, -2 for neither.
        samples: regions an image that would be sampled.
        positive_fraction: the largest share of them with an object.
    """
    labels = torch.zeros(len(regions), dtype=torch.int64, device=regions.device)
    boxes = regions
    if len(objects.taught) and len(regions):
        taught = objects.taught
        index = matcher(box_iou(taught[:, :CLASS_COLUMN], regions))
        nearest = taught[index.clamp(min=0)]
        labels = torch.where(index >= 0, nearest[:, CLASS_COLUMN].long() + 1, (index + 1).clamp(max=0))
        boxes = torch.where(labels[:, None] > 0, nearest[:, :CLASS_COLUMN], regions)
    unknown = (
        _find_covered(clip_boxes_to_image(regions, objects.size), objects.ignored, classes) & (labels == 0)[:, None]
    )
    labels = labels.masked_fill(unknown.all(1), -1)
    return RegionTargets(labels, boxes, unknown, _weigh_regions(labels, samples, positive_fraction))


def compute_delta_losses(deltas: Tensor, wanted: Tensor, found: RegionTargets) -> Tensor:
    """(R,) smooth L1 distance of the deltas (R, 4) of boxes from those wanted, 0 where there is no object."""
    distance = F.smooth_l1_loss(deltas, wanted, reduction="none", beta=_BETA).sum(1)
    return distance.masked_fill(found.labels < 1, 0)


def encode_labels(found: RegionTargets, classes: int) -> Tensor:
    """(R, C) float32, 1 at the class of a region's object."""
    return F.one_hot(found.labels.clamp(min=0), classes + 1)[:, 1:].float()


def _find_covered(regions: Tensor, ignored: Tensor, classes: int) -> Tensor:
    """(R, C) bool: most of the region lies in one of the rows (M, 6) of the class."""
    shared = compute_intersections(regions[:, None], ignored[None, :, :CLASS_COLUMN])
    share = shared / box_area(regions)[:, None].clamp(min=1e-6)
    covered = (share > _COVERED).to(share)  # (R, M)
    counts = torch.zeros(len(regions), classes, device=regions.device)
    return counts.index_add_(1, ignored[:, CLASS_COLUMN].long(), covered) > 0


def _weigh_regions(labels: Tensor, samples: int, positive_fraction: float) -> Tensor:
    """(R,) labels -> (R,) the chance of each region to be sampled, by the number of samples."""
    positive, negative = labels > 0, labels == 0
    positives = positive.sum().clamp(max=int(samples * positive_fraction))
    negatives = torch.minimum(negative.sum(), samples - positives)
    chances = positive * positives / positive.sum().clamp(min=1) + negative * negatives / negative.sum().clamp(min=1)
    return chances / (positives + negatives).clamp(min=1)
