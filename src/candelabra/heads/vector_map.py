"""What heads share that decode the pyramid to a vector at every pixel."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, VectorMapTarget
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.decoders import BuiltDecoder, unet
from candelabra.heads.head import Head, require_target
from candelabra.heads.picture_view import PictureView
from candelabra.heads.pyramid import PyramidDecoder, resample
from candelabra.types import Features


class VectorMap(Head):
    """Decodes the pyramid to a vector a pixel (N, C, H, W).

    Args:
        backbone, labels: what to read from; the data must label the target.
        kind: of the target.
        decoder: builds the decoder; see `candelabra.heads.decoders`.
    """

    target_info: VectorMapTarget

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        kind: type[VectorMapTarget],
        decoder: Callable[[Sequence[int]], BuiltDecoder] = unet,
    ) -> None:
        super().__init__()
        self.target_info = require_target(labels, kind)
        self.decoder = PyramidDecoder(backbone, decoder)
        self.regress = nn.Conv2d(self.decoder.width, kind.channels, 1)

    def forward(self, features: Features) -> Tensor:
        numbers: Tensor = self.regress(self.decoder(features))
        return resample(numbers.float(), features.size)

    @abstractmethod
    def measure_vectors(self, metrics: Mapping[str, Metric], found: Tensor, wanted: Tensor) -> None:
        """Updates `metrics` with vectors (M, C), M above 0."""

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        self.compare(metrics, self.predict(outputs, size), target, size)

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        """Pixels that are not labelled, or that the model did not see, do not count."""
        known = self.target_info.known(target) & self.target_info.known(predictions)
        if known.any():
            self.measure_vectors(metrics, predictions.movedim(1, -1)[known], target.movedim(1, -1)[known])

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """How long the vectors are in the directions that are found, on average; it has no words to choose from."""
        if word is not None:
            raise CandelabraError(
                f"target={word} is not known: {self.target_info.name} has no parts; leave target out."
            )
        before = self(features).detach()
        direction = before / before.norm(dim=1, keepdim=True).clamp(min=1e-6)
        return HeadAnswer(
            self.target_info.name,
            lambda changed: (self(changed) * direction).sum(1).mean((1, 2)),
            lambda changed: torch.exp(-(self(changed) - before).norm(dim=1).mean((1, 2))),
        )

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> dict[str, Tensor]:
        """The map of the pictures and, as `prepared`, that of what the model sees."""
        prepared = self.predict(outputs, view.size)
        return {"": view.restore_map(prepared, float("nan")), "prepared": prepared}

    def describe_answer(self) -> dict[str, Any]:
        return {"kind": "vector_map"}
