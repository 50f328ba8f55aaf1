"""Mixup, CutMix and multi-scale training: transforms of whole batches, on the device."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from candelabra.data.targets import Target
from candelabra.data.transforms.batch_transforms import paste_partner, roll_partners
from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.types import Sample


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
    placed = [name for name, head in heads.items() if head.target_info.blend == "refuse"]
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
        own = head.labelled(batch[head.target]).float()
        whole = (
            blend.place is not None and head.target_info.blend == "paste"
        )  # pasted, so that each pixel has one label
        parts = [own, 0 * own] if whole else [blend.share * own, (1 - blend.share) * roll_partners(own)]
        weights = torch.stack(parts)
        rows[name] = torch.nonzero(weights.sum(0)).flatten()
        weights = weights[:, rows[name]]
        shares[name] = BlendShares(weights, float(weights.sum()))
    return rows, shares


def transform_batch(batch: Sample, targets: Mapping[str, Target]) -> Sample:
    """Colours, blends and resizes the images of a batch as it says, and targets that have a place with them.

    Args:
        batch: on the device.
        targets: that heads learn, by their key in the batch.
    """
    batch = jitter_batch(batch)
    blend = batch.get("blend")
    if blend is not None and blend.place is not None:
        batch = paste_partner(batch, "image", blend)
    elif blend is not None:
        image = _unit(batch["image"])
        batch = {**batch, "image": torch.lerp(roll_partners(image), image, blend.share)}
    if "size" in batch and batch["size"] != batch["image"].shape[-2:]:
        batch = _resize(batch, batch["size"], targets)
    return batch


def _resize(batch: Sample, size: tuple[int, int], targets: Mapping[str, Target]) -> Sample:
    image = _unit(batch["image"])
    old = (image.shape[-2], image.shape[-1])
    made: dict[str, Any] = {**batch}
    made["image"] = F.interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1)
    for name, target in targets.items():
        if name in made:
            made[name] = target.resize_batch(made[name], old, size)
    return made


def _unit(image: Tensor) -> Tensor:
    """Float in [0, 1]."""
    return image / 255 if image.dtype == torch.uint8 else image
