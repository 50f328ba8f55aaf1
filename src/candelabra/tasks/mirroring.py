"""Test-time augmentation (`tta=flip`): predictions averaged over each image and its mirror image."""

import logging
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
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


class MirroredHead(Head):
    """A head whose raw outputs are averaged over an image and its mirror image, for a `MirroredBackbone`.

    Args:
        head: trained, in evaluation mode.
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head, self.target, self.target_info = head, head.target, head.target_info  # type: ignore[misc]
        self.main_metric, self.lower_is_better = head.main_metric, head.lower_is_better
        self.counts, self.tables = head.counts, head.tables

    def forward(self, features: Features) -> Tensor:
        halves = zip(*(each.chunk(2, 1) for each in features.maps), strict=True)
        pairs = zip(halves, features.final.chunk(2, 1), strict=True)
        seen, mirrored = (self.head(Features(maps, final, features.size)) for maps, final in pairs)
        return self.head.average_mirrored(seen, mirrored, features.size)

    def labelled(self, target: Tensor) -> Tensor:
        return self.head.labelled(target)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        return self.head.loss(outputs, target, size)

    def metrics(self) -> Mapping[str, Metric]:
        return self.head.metrics()

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.head.measure(metrics, outputs, target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        self.head.compare(metrics, predictions, target, size)

    def score(self, values: Mapping[str, float]) -> float | None:
        return self.head.score(values)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        return self.head.predict(outputs, size)

    def select_certain(self, predictions: Tensor) -> Tensor:
        return self.head.select_certain(predictions)

    def describe_errors(self, prediction: Tensor, target: Tensor) -> str:
        return self.head.describe_errors(prediction, target)


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
        if type(head).average_mirrored is Head.average_mirrored:
            raise CandelabraError(f"tta=flip cannot average the head {name} ({type(head).__name__}); leave tta out.")
        if problem := head.target_info.mirror_problem.partition(";")[0]:
            raise CandelabraError(f"tta=flip does not fit the head {name} of this checkpoint: {problem}; leave it out.")
    if task.recipe["config"]["data"].get("flip") is False:
        log.warning("tta=flip mirrors images, but this checkpoint was trained without mirrored ones (data.flip=false)")
    task.backbone = cast(Backbone, MirroredBackbone(task.backbone))
    task.heads = nn.ModuleDict({name: MirroredHead(head) for name, head in task.named_heads()})
    task.eval()
