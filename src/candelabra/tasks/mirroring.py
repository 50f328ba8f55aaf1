"""Test-time augmentation (`tta=flip`): predictions averaged over each image and its mirror image."""

import logging
from typing import cast

import torch
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.tasks.derived_head import DerivedHead, find_trained_head
from candelabra.tasks.task import Task
from candelabra.types import Features

log = logging.getLogger(__name__)


class MirroredBackbone(nn.Module):
    """Features of images and of their mirror images, joined along channels, so that samples keep their rows.

    Args:
        backbone: images -> features.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Features:
        """Images (N, 3, H, W) -> features of twice as many channels."""
        seen, mirrored = self.backbone(images), self.backbone(images.flip(-1))
        maps = [torch.cat(pair, 1) for pair in zip(seen.maps, mirrored.maps, strict=True)]
        return Features(maps, torch.cat([seen.final, mirrored.final], 1), seen.size)


def average_mirrored_outputs(head: Head, features: Features) -> Tensor:
    """Raw outputs averaged over images and their mirror images.

    Args:
        head: trained, in evaluation mode.
        features: of a `MirroredBackbone`.
    """
    halves = zip(*(each.chunk(2, 1) for each in features.maps), strict=True)
    pairs = zip(halves, features.final.chunk(2, 1), strict=True)
    seen, mirrored = (head(Features(maps, final, features.size)) for maps, final in pairs)
    return head.average_mirrored(seen, mirrored, features.size)


def check_test_augmentation(tta: str | None) -> None:
    """Refuses an unknown one, before weights are loaded.

    Raises:
        CandelabraError: `tta` is neither flip nor null.
    """
    if tta not in (None, "flip"):
        raise CandelabraError(f"tta={tta} is not known; allowed are flip and null.")


def add_test_augmentation(task: Task, tta: str | None) -> None:
    """Makes a trained task average its predictions over each image and its mirror image.

    Args:
        task: in evaluation mode; it cannot be trained any more.
        tta: flip, or null for none.

    Raises:
        CandelabraError: a head cannot be mirrored.
    """
    if tta is None:
        return
    for name, head in task.named_heads():
        kind = type(find_trained_head(head))
        if kind.average_mirrored is Head.average_mirrored:
            raise CandelabraError(f"tta=flip cannot average the head {name} ({kind.__name__}); leave tta out.")
        if problem := head.target_info.mirror_problem.partition(";")[0]:
            raise CandelabraError(f"tta=flip does not fit the head {name} of this checkpoint: {problem}; leave it out.")
    if task.recipe["config"]["data"].get("flip") is False:
        log.warning("tta=flip mirrors images, but this checkpoint was trained without mirrored ones (data.flip=false)")
    task.backbone = cast(Backbone, MirroredBackbone(task.backbone))
    task.heads = nn.ModuleDict({name: DerivedHead(head, average_mirrored_outputs) for name, head in task.named_heads()})
    task.eval()
