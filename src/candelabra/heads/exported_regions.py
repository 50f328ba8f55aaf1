"""The stages of Faster R-CNN for a batch at once, in operations that exporters translate."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import MultiScaleRoIAlign, clip_boxes_to_image, roi_align

from candelabra.heads.box_decoding import PADDING
from candelabra.heads.exported_nms import suppress_overlaps
from candelabra.types import Size


def select_exported_regions(
    boxes: Tensor, logits: Tensor, counts: Sequence[int], size: Size, rpn: RegionProposalNetwork
) -> tuple[Tensor, Tensor]:
    """Does what `RegionProposalNetwork.filter_proposals` does, without a shape that depends on values.

    Args:
        boxes: (N, L, 4) XYXY in pixels.
        logits: (N, L) of objects.
        counts: of the boxes of each level of the pyramid.
        size: (H, W) of the images.
        rpn: whose limits hold.

    Returns:
        (N, R, 4) regions, best first, and (N, R) bool: whether there is one; R is the same for any image.
    """
    boxes = clip_boxes_to_image(boxes, size)
    wide = ((boxes[..., 2:] - boxes[..., :2]) >= rpn.min_size).all(-1)
    scores = torch.where(wide, logits.sigmoid(), PADDING)
    found = []
    for own, certain in zip(boxes.split(list(counts), 1), scores.split(list(counts), 1), strict=True):
        certain, best = certain.topk(min(rpn.pre_nms_top_n(), certain.shape[1]), dim=1)
        chosen = own.gather(1, best[..., None].expand(-1, -1, 4))
        kept = suppress_overlaps(chosen, torch.zeros_like(certain), rpn.nms_thresh)
        found.append((chosen, torch.where(kept, certain, PADDING)))
    candidates, certain = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    certain, best = certain.topk(min(rpn.post_nms_top_n(), certain.shape[1]), dim=1)
    return candidates.gather(1, best[..., None].expand(-1, -1, 4)), certain > PADDING


def number_regions(regions: Tensor) -> Tensor:
    """Regions (N, R, 4) -> (N * R, 5) with the number of the image first, as `roi_align` takes them."""
    numbers = torch.arange(regions.shape[0], device=regions.device)[:, None, None].expand(-1, regions.shape[1], 1)
    return torch.cat([numbers.to(regions), regions], 2).flatten(0, 1)


def read_exported_regions(pool: MultiScaleRoIAlign, levels: Sequence[Tensor], regions: Tensor) -> Tensor:
    """Does what `pool` does: each region is read from all levels, and its own is kept.

    Args:
        pool: with scales and the mapper of levels.
        levels: (N, width, h, w) each.
        regions: (N, R, 4) XYXY in pixels.

    Returns:
        (N * R, width, P, P).
    """
    assert pool.scales is not None
    assert pool.map_levels is not None
    numbered = number_regions(regions)
    chosen = pool.map_levels([numbered[:, 1:]])[:, None, None, None]
    pooled = [
        roi_align(level, numbered, pool.output_size, scale, pool.sampling_ratio)
        for level, scale in zip(levels, pool.scales, strict=True)
    ]
    found: Tensor = pooled[0]
    for place, each in enumerate(pooled[1:], 1):
        found = torch.where(chosen == place, each, found)
    return found
