"""Training batches whose images are blended or have a size of their own: what a task does to them, on its device."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.data.transforms.batch_transforms import paste_partner, roll_partners
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.types import Sample

_BLENDED = ("label", "mask")  # targets of which an image can have two


class BlendShares(NamedTuple):
    """How much the two labels of each blended image count for a head.

    Args:
        weights: (2, n) of its own label and of its partner's, of the n samples that have either; 0 for one not there.
        total: their sum, in labels.
    """

    weights: Tensor
    total: float


def check_blendable(heads: Mapping[str, Head]) -> None:
    """Blended images have two boxes, and points of two things: no loss of ours compares with both.

    Raises:
        CandelabraError: a head learns such a target.
    """
    placed = [name for name, head in heads.items() if head.target not in _BLENDED]
    if placed:
        raise CandelabraError(
            f"data.mixup and data.cutmix blend images, whose {' and '.join(placed)} would be those of two; set both to "
            f"0, or leave the head out with task.heads.{placed[0]}=null."
        )


def compute_blend_shares(
    batch: Sample, heads: Sequence[tuple[str, Head]]
) -> tuple[dict[str, Tensor], dict[str, BlendShares]]:
    """For each head, which samples have a label, their own or their partner's, and what each of the two counts."""
    blend = batch["blend"]
    rows: dict[str, Tensor] = {}
    shares: dict[str, BlendShares] = {}
    for name, head in heads:
        own = head.labelled(cast(dict[str, Any], batch)[head.target]).float()
        whole = blend.place is not None and head.target == "mask"  # pasted, so that each pixel has one label
        parts = [own, 0 * own] if whole else [blend.share * own, (1 - blend.share) * roll_partners(own)]
        weights = torch.stack(parts)
        rows[name] = torch.nonzero(weights.sum(0)).flatten()
        weights = weights[:, rows[name]]
        shares[name] = BlendShares(weights, float(weights.sum()))
    return rows, shares


def transform_batch(batch: Sample) -> Sample:
    """Colours, blends and resizes the images of a batch as it says, labels that have a place with them."""
    batch = jitter_batch(batch)
    blend = batch.get("blend")
    if blend is not None and blend.place is not None:
        batch = paste_partner(batch, "image", blend)
    elif blend is not None:
        image = _unit(batch["image"])
        batch = {**batch, "image": torch.lerp(roll_partners(image), image, blend.share)}
    if "size" in batch and batch["size"] != batch["image"].shape[-2:]:
        batch = _resized(batch, batch["size"])
    return batch


def _resized(batch: Sample, size: tuple[int, int]) -> Sample:
    image = _unit(batch["image"])
    scale = torch.tensor([size[1] / image.shape[-1], size[0] / image.shape[-2]], device=image.device)
    made: Sample = {**batch, "image": F.interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1)}
    if "box" in batch:
        made["box"] = batch["box"] * scale.repeat(2)
    if "keypoints" in batch:
        made["keypoints"] = batch["keypoints"] * scale
    if "mask" in batch:
        made["mask"] = F.interpolate(batch["mask"][:, None], size, mode="nearest-exact")[:, 0]
    return made


def _unit(image: Tensor) -> Tensor:
    """Float in [0, 1]."""
    return image / 255 if image.dtype == torch.uint8 else image
