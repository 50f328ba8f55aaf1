"""Which locations of a dense detector learn which object: task-aligned assignment."""

from typing import NamedTuple

import torch
from torch import Tensor

from candelabra.data.targets.object_rows import CLASS_COLUMN, IGNORED_SCORE, SCORE_COLUMN
from candelabra.heads.box_overlaps import compute_overlaps


class BoxAssignment(NamedTuple):
    """What each of L locations of N images learns.

    Args:
        quality: (N, L, C) wanted score of each class, 0 to 1; above 0 at one class at most.
        boxes: (N, L, 4) the box to find, XYXY in pixels; of no meaning where no quality is above 0.
        ignored: (N, L, C) bool: the location lies in a region that says nothing of the class.
    """

    quality: Tensor
    boxes: Tensor
    ignored: Tensor


@torch.no_grad()
def match_boxes(
    found: Tensor,
    scores: Tensor,
    locations: Tensor,
    rows: Tensor,
    *,
    candidates: int = 10,
    score_power: float = 1.0,
    overlap_power: float = 3.0,
    reach: float = 8.0,
) -> BoxAssignment:
    """Assigns locations to objects by how well they find them already (TOOD, Feng et al. 2021).

    Of the locations inside an object, the `candidates` of the highest score ** score_power * IoU ** overlap_power
    learn it. The wanted score of the best of them is its IoU, that of the others falls in proportion.

    Args:
        found: (N, L, 4) boxes that the locations find, XYXY in pixels.
        scores: (N, L, C) probabilities of the classes.
        locations: (L, 2) XY in pixels.
        rows: (N, K, 6) objects; see `BoxesTarget`. Rows without an area or a class are skipped.
        candidates: locations an object.
        score_power: how much the score ranks locations.
        overlap_power: how much the IoU does.
        reach: pixels; a smaller object takes locations from a square of this side, so that it gets one.
    """
    boxes, numbers = rows[..., :CLASS_COLUMN], rows[..., CLASS_COLUMN].long()
    valid = rows.isfinite().all(-1) & (numbers >= 0) & (boxes[..., 2:] > boxes[..., :2]).all(-1)
    taught = valid & (rows[..., SCORE_COLUMN] > IGNORED_SCORE)
    one_hot = _encode_classes(numbers, valid, scores)
    inside = _find_inside(locations, boxes)  # (N, K, L)
    ignored = torch.einsum("nkl,nkc->nlc", (inside & (valid & ~taught)[..., None]).to(scores), one_hot) > 0
    if not rows.shape[1]:
        return BoxAssignment(torch.zeros_like(scores), torch.zeros_like(found), ignored)
    near = _find_inside(locations, _widen(boxes, reach)) & taught[..., None]
    overlaps = compute_overlaps(boxes[:, :, None], found[:, None]).nan_to_num(0).masked_fill(~near, 0)  # (N, K, L)
    alignment = torch.einsum("nlc,nkc->nkl", scores, one_hot) ** score_power * overlaps**overlap_power
    best = alignment.masked_fill(~near, -1).topk(min(candidates, len(locations)), dim=2).indices
    chosen = torch.zeros_like(near).scatter_(2, best, True) & near
    overlaps, alignment = overlaps * chosen, alignment * chosen
    # A location that several objects choose learns the one that it overlaps most.
    owner = torch.where(chosen, overlaps, -1.0).argmax(1, keepdim=True)  # (N, 1, L)
    owned = torch.zeros_like(alignment).scatter_(1, owner, 1.0)
    alignment, overlaps = alignment * owned, overlaps * owned
    share = alignment / alignment.amax(2, keepdim=True).clamp(min=1e-30)
    quality = share * overlaps.amax(2, keepdim=True)  # (N, K, L), for each location above 0 at one object at most
    return BoxAssignment(
        torch.einsum("nkl,nkc->nlc", quality, one_hot),
        boxes.nan_to_num().gather(1, owner[:, 0, :, None].expand(-1, -1, 4)),
        ignored,
    )


def _encode_classes(numbers: Tensor, valid: Tensor, like: Tensor) -> Tensor:
    """(N, K) -> (N, K, C), 1 at the class of each valid row."""
    classes = torch.arange(like.shape[-1], device=like.device)
    return ((numbers[..., None] == classes) & valid[..., None]).to(like)


def _find_inside(locations: Tensor, boxes: Tensor) -> Tensor:
    """(L, 2) and (N, K, 4) -> (N, K, L) bool; nothing is inside a box of NaN."""
    low, high = boxes[:, :, None, :2], boxes[:, :, None, 2:]
    return ((locations >= low) & (locations <= high)).all(-1)


def _widen(boxes: Tensor, side: float) -> Tensor:
    """Boxes of at least this width and height about the same centre."""
    centre, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    half = half.clamp(min=side / 2)
    return torch.cat([centre - half, centre + half], -1)
