"""The head for `mask`: the class of every pixel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics import ConfusionMatrix, JaccardIndex, Metric
from torchmetrics.classification import MulticlassF1Score

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, MaskTarget
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer, NoAnswer, pick_class
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.heads.head import Head, require_target
from candelabra.heads.losses import (
    compute_class_weights,
    find_boundaries,
    focal_cross_entropy,
    is_imbalanced,
    lovasz_loss,
    soft_dice_loss,
)
from candelabra.heads.picture_view import PictureView
from candelabra.heads.pyramid import PyramidDecoder, resample
from candelabra.types import IGNORED, Features


class Mask(Head):
    """Decodes the pyramid to logits (N, classes, H, W), in the size of the image whatever that is.

    Args:
        backbone, labels: what to read from, and the classes of a pixel.
        decoder: builds the decoder from the channels of the pyramid; see `candelabra.heads.decoders`.
        cross_entropy_weight, dice_weight, lovasz_weight: factors of the parts of the loss; see `lovasz_loss`, which
            stands for the IoU.
        focal_gamma: of the cross-entropy: above 0, pixels that are right already count less; see `focal_cross_entropy`.
        boundary_weight: how much more, in the cross-entropy, a pixel counts within 2 pixels of another class
            (Ronneberger et al. 2015).
        class_weights: factors for the cross-entropy: one a class; balanced, by the shares of the classes among the
            pixels of a batch (see `compute_class_weights`), so that small things count; null for equal weights; or
            auto: balanced where one of the classes has less than 1 % of the pixels seen in training, else equal. In
            training the batch is that of all ranks.
    """

    target: ClassVar[str] = MaskTarget.name
    main_metric = "iou"
    tables = frozenset({"confusion"})

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
        cross_entropy_weight: float = 1.0,
        dice_weight: float = 1.0,
        class_weights: Sequence[float] | Literal["auto", "balanced"] | None = "auto",
        lovasz_weight: float = 0.0,
        focal_gamma: float = 0.0,
        boundary_weight: float = 0.0,
    ) -> None:
        super().__init__()
        if not cross_entropy_weight + dice_weight + lovasz_weight:
            raise CandelabraError("One of cross_entropy_weight, dice_weight and lovasz_weight must be above 0.")
        self.target_info = require_target(labels, MaskTarget)
        self.classes = self.target_info.classes
        self.weighting = class_weights if isinstance(class_weights, str) else "fixed"
        given = [1.0] * len(self.classes) if class_weights is None or isinstance(class_weights, str) else class_weights
        if len(given) != len(self.classes):
            raise CandelabraError(
                f"class_weights has {len(given)} numbers, but a pixel has {len(self.classes)} classes: "
                f"{', '.join(self.classes)}; give one for each, in this order."
            )
        self.decoder = PyramidDecoder(backbone, decoder)
        self.classify = nn.Conv2d(self.decoder.width, len(self.classes), 1)
        self.cross_entropy_weight, self.dice_weight = cross_entropy_weight, dice_weight
        self.lovasz_weight, self.focal_gamma, self.boundary_weight = lovasz_weight, focal_gamma, boundary_weight
        self.register_buffer("class_weights", torch.tensor(list(given), dtype=torch.float32), persistent=False)
        self.class_weights: Tensor
        self.register_calibrated("pixels", torch.zeros(len(self.classes), dtype=torch.int64))  # seen, of each class
        self.pixels: Tensor
        self._seen: Tensor | None = None  # pixels of each class in the batch of all ranks that is trained on

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        """Counts the pixels of each class, by which classes are balanced, and which tell whether they are to be."""
        if self.weighting == "fixed":
            return
        self._seen = counts = sum_ranks(self._count_classes(target))
        if self.weighting == "auto":
            self.pixels += counts

    def forward(self, features: Features) -> Tensor:
        logits: Tensor = self.classify(self.decoder(features))
        return resample(logits.float(), features.size)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        wanted = target.long()
        weights = self.class_weights if self.weighting == "fixed" else self._balance_classes(target)
        pixels = focal_cross_entropy(outputs, wanted, weights, self.focal_gamma)
        if self.boundary_weight:
            pixels = pixels * (1 + self.boundary_weight * find_boundaries(wanted))
        entropy = pixels.sum((1, 2)) / (wanted != IGNORED).sum((1, 2)).clamp(min=1)
        loss = self.cross_entropy_weight * entropy + self.dice_weight * soft_dice_loss(outputs.softmax(1), wanted)
        return loss + self.lovasz_weight * lovasz_loss(outputs, wanted) if self.lovasz_weight else loss

    def _balance_classes(self, target: Tensor) -> Tensor:
        """(C,) weights, in training by what `observe_labels` counted.

        Equal ones where no class is rare in training, which auto goes by.
        """
        counts = self._seen if self.training and self._seen is not None else self._count_classes(target)
        balanced = compute_class_weights(counts)
        if self.weighting == "balanced":
            return balanced
        return torch.where(is_imbalanced(self.pixels), balanced, self.class_weights)

    def _count_classes(self, target: Tensor) -> Tensor:
        """(C,) pixels of each class."""
        if target.device.type == "cpu":  # in one pass; on a GPU all pixels would wait for a few counters
            pixels, counts = target.flatten().long(), torch.zeros(IGNORED + 1, dtype=torch.int64)
            return counts.scatter_add_(0, pixels, torch.ones_like(pixels))[: len(self.classes)]
        return torch.stack([(target == index).sum() for index in range(len(self.classes))])

    def metrics(self) -> dict[str, Metric]:
        count = len(self.classes)
        return {
            "iou": JaccardIndex("multiclass", num_classes=count, ignore_index=IGNORED, validate_args=False),
            "dice": MulticlassF1Score(count, average="macro", ignore_index=IGNORED, validate_args=False),
            "confusion": ConfusionMatrix("multiclass", num_classes=count, ignore_index=IGNORED, validate_args=False),
        }

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.compare(metrics, outputs.argmax(1), target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        shown, wanted = predictions.long(), target.long()
        shown = shown.masked_fill(shown == IGNORED, 0)  # what the model did not see of an image is the background
        for metric in metrics.values():
            metric.update(shown, wanted)

    def score(self, values: Mapping[str, float]) -> float:
        return values["iou"]

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Class index of each pixel (N, H, W) uint8."""
        return outputs.argmax(1).to(torch.uint8)

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """A class by name, where it was found (Vinogradova et al. 2020); by default that of most pixels but class 0."""
        found = self(features)[0].argmax(0)
        counts = torch.bincount(found.flatten(), minlength=len(self.classes))
        common = int(counts[1:].argmax()) + 1 if counts[1:].any() else 0
        index = common if word is None else pick_class(word, self.classes)
        if not counts[index]:
            raise NoAnswer(f"no pixel is taken for {self.classes[index]}")
        where = (found == index).float() / counts[index]
        return HeadAnswer(
            self.classes[index],
            lambda changed: (self(changed)[:, index] * where).sum((1, 2)),
            lambda changed: (self(changed).softmax(1)[:, index] * where).sum((1, 2)),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        """The mask of the pictures and, as `prepared`, that of what the model sees."""
        prepared = self.predict(outputs, view.size)
        return {"": view.restore_map(prepared, IGNORED), "prepared": prepared}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "map", "classes": list(self.classes), "unlabelled": IGNORED}

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Averages the probabilities of each pixel."""
        return torch.logaddexp(outputs.log_softmax(1), mirrored.flip(-1).log_softmax(1))
