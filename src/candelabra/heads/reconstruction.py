"""The head that learns from images alone: it decodes the features of an image to the image."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from candelabra.backbones.backbone import Backbone
from candelabra.data.targets import Labels, PictureTarget
from candelabra.errors import CandelabraError
from candelabra.heads.decoders import BuiltDecoder
from candelabra.heads.head import Head
from candelabra.heads.pyramid import PyramidDecoder, resample
from candelabra.heads.upsampling_unet import upsampling_unet
from candelabra.types import Features

_PIXELS = (1, 2, 3)


class Reconstruction(Head):
    """Decodes the pyramid to the image (N, 3, H, W), in [0, 1]; every image is its own label.

    Args:
        backbone: what to read from.
        labels: of the data; not needed.
        decoder: builds the decoder from the channels of the pyramid; see `candelabra.heads.decoders`. Without skip
            connections it sees the last map alone: an auto-encoder.
        l1_weight, ssim_weight, mse_weight: factors of the mean absolute error, of 1 - SSIM (Wang et al. 2004; Zhao et
            al. 2017) and of the mean squared error of an image.
    """

    target: ClassVar[str] = "image"
    main_metric = "psnr"  # SSIM is higher for a dark blur than for a right one in its first epochs

    def __init__(
        self,
        backbone: Backbone,
        labels: Labels,
        decoder: Callable[[Sequence[int]], BuiltDecoder] = upsampling_unet,
        l1_weight: float = 1.0,
        ssim_weight: float = 0.5,
        mse_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.target_info = PictureTarget().rename(self.target)
        weights = {"l1_weight": l1_weight, "ssim_weight": ssim_weight, "mse_weight": mse_weight}
        if min(weights.values()) < 0 or not any(weights.values()):
            given = ", ".join(f"{key}={value}" for key, value in weights.items())
            raise CandelabraError(f"{given}: a factor must be 0 or more, and one above 0.")
        self.l1_weight, self.ssim_weight, self.mse_weight = l1_weight, ssim_weight, mse_weight
        self.decoder = PyramidDecoder(backbone, decoder)
        self.to_pixels = nn.Conv2d(self.decoder.width, 3, 1)
        nn.init.constant_(self.to_pixels.bias, 0.5)  # type: ignore[arg-type]

    def forward(self, features: Features) -> Tensor:
        pixels: Tensor = self.to_pixels(self.decoder(features))
        return resample(pixels.float(), features.size)

    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        wanted = _scale_pixels(target)
        apart = outputs - wanted
        losses = self.l1_weight * apart.abs().mean(_PIXELS) + self.mse_weight * apart.square().mean(_PIXELS)
        if self.ssim_weight:
            similarity = structural_similarity_index_measure(outputs, wanted, reduction="none", data_range=1.0)
            assert isinstance(similarity, Tensor)
            losses = losses + self.ssim_weight * (1 - similarity)
        return losses

    def metrics(self) -> dict[str, Metric]:
        return {
            "psnr": PeakSignalNoiseRatio(data_range=1.0, dim=_PIXELS),
            "ssim": StructuralSimilarityIndexMeasure(data_range=1.0),
        }

    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        labelled = self.labelled(target)
        found, wanted = outputs[labelled].clamp(0, 1), _scale_pixels(target[labelled])
        for metric in metrics.values():
            metric.update(found, wanted)

    def score(self, values: Mapping[str, float]) -> float:
        """1 minus the root mean squared error that the PSNR stands for."""
        return max(1 - 10 ** (-values["psnr"] / 20), 0.0)

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Pictures (N, 3, H, W) uint8."""
        return (255 * outputs.clamp(0, 1)).round().to(torch.uint8)

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Averages the pixels."""
        return (outputs + mirrored.flip(-1)) / 2


def _scale_pixels(images: Tensor) -> Tensor:
    """Images as float in [0, 1]."""
    return images / 255 if images.dtype == torch.uint8 else images
