"""Detectors as torchvision's tutorial trains them: its own classes around a trunk, in a loop written by hand."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision
from torchvision.models.detection import FCOS, FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from candelabra.backbones import Backbone
from candelabra.data import DataModule
from candelabra.types import Sample

WIDTH = 256  # channels of the pyramid, as in fasterrcnn_resnet50_fpn and fcos_resnet50_fpn
RECIPES = {  # batch size, optimizer, learning rate: the tutorial's, and what suits small trunks
    "sgd": (2, "sgd", 0.005),
    "adamw": (8, "adamw", 0.0005),
}


class PyramidTrunk(nn.Module):
    """A trunk with a feature pyramid, as torchvision's `BackboneWithFPN`; its batch statistics stay frozen."""

    def __init__(self, trunk: Backbone, finest: int, extra: ExtraFPNBlock) -> None:
        super().__init__()
        self.trunk, self.out_channels = trunk, WIDTH
        self.maps = [index for index, stride in enumerate(trunk.strides) if stride >= finest]
        self.pyramid = FeaturePyramidNetwork([trunk.channels[index] for index in self.maps], WIDTH, extra)

    def train(self, mode: bool = True) -> "PyramidTrunk":
        """Keeps batch normalisation in evaluation mode, as torchvision's FrozenBatchNorm2d."""
        super().train(mode)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images -> maps by level, finest first."""
        maps = self.trunk(images).maps
        found: dict[str, Tensor] = self.pyramid(OrderedDict((str(index), maps[index]) for index in self.maps))
        return found


def build_faster_rcnn(trunk: Backbone, classes: int, size: int) -> nn.Module:
    """Torchvision's Faster R-CNN; strides 4 to 64, one anchor size a level."""
    body = PyramidTrunk(trunk, 4, LastLevelMaxPool())
    anchors = AnchorGenerator(((16,), (32,), (64,), (128,), (256,))[-len(body.maps) - 1 :], ((0.5, 1.0, 2.0),) * 5)
    pool = MultiScaleRoIAlign([str(index) for index in body.maps], 7, 2)
    fixed: dict[str, Any] = {"min_size": size, "max_size": size, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    made: nn.Module = FasterRCNN(body, classes + 1, rpn_anchor_generator=anchors, box_roi_pool=pool, **fixed)
    return made


def build_fcos(trunk: Backbone, classes: int, size: int) -> nn.Module:
    """Torchvision's FCOS; strides 8 to 128."""
    body = PyramidTrunk(trunk, 8, LastLevelP6P7(WIDTH, WIDTH))
    fixed: dict[str, Any] = {"min_size": size, "max_size": size, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    made: nn.Module = FCOS(body, classes, **fixed)
    return made


BUILDERS = {"torchvision FasterRCNN": (build_faster_rcnn, 1), "torchvision FCOS": (build_fcos, 0)}  # first class


def convert_batch(batch: Sample, first: int) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """A batch of ours as torchvision's detectors take it."""
    images = [image.float() / 255 if not image.is_floating_point() else image for image in batch["image"]]
    rows = [each[each[:, 5] > 0] for each in batch["boxes"]]
    return images, [{"boxes": each[:, :4], "labels": each[:, 4].long() + first} for each in rows]


def make_optimizer(model: nn.Module, name: str, rate: float) -> torch.optim.Optimizer:
    """SGD of the tutorial, or AdamW."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if name == "sgd":
        return torch.optim.SGD(learning, lr=rate, momentum=0.9, weight_decay=0.0005)
    return torch.optim.AdamW(learning, lr=rate, weight_decay=0.01)


def train_by_hand(model: nn.Module, data: DataModule, recipe: str, epochs: int, first: int) -> float:
    """Trains with a warm-up in the first epoch and two steps down, as torchvision's references; returns seconds."""
    _, name, rate = RECIPES[recipe]
    optimizer = make_optimizer(model, name, rate)
    steps = len(data.make_loader("train"))
    warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.001, total_iters=steps)
    down = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(0.65 * epochs * steps), int(0.88 * epochs * steps)])
    begun = time.perf_counter()
    for epoch in range(epochs):
        loader = data.make_loader("train")
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        model.train()
        for batch in loader:
            losses = model(*convert_batch(batch, first))
            optimizer.zero_grad()
            sum(losses.values()).backward()
            optimizer.step()
            warm.step()
            down.step()
    return time.perf_counter() - begun


@torch.inference_mode()
def measure_by_hand(model: nn.Module, batches: Iterable[Sample], first: int) -> dict[str, float]:
    """AP of a model."""
    metric = MeanAveragePrecision(backend="faster_coco_eval")
    model.eval()
    for batch in batches:
        images, targets = convert_batch(batch, first)
        metric.update(model(images), targets)
    found = metric.compute()
    return {"map50": float(found["map_50"]), "map": float(found["map"])}
