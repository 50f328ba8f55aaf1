"""A small network for images of 32 pixels: three convolutions with batch normalisation and dropout."""

from collections.abc import Sequence

from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone, divide_into_stages, fit_channels
from candelabra.backbones.sequential import load_or_initialize, run_stages

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images


class CifarNet(Backbone):
    """Three blocks of convolution, batch normalisation and ReLU, with max pooling and dropout between them.

    Args:
        weights: none, the path of a weights file, or the folder of an exported backbone.
        widths: channels of the three convolutions.
        dropout: probability of dropping an activation after each pooling, in [0, 1].
        in_channels: channels of the images.
        mean, std: per channel, for images in [0, 1].
    """

    def __init__(
        self,
        weights: str = "none",
        widths: tuple[int, int, int] = (32, 64, 128),
        dropout: float = 0.25,
        in_channels: int = 3,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        super().__init__(fit_channels(mean, in_channels), fit_channels(std, in_channels))
        self.network = nn.Sequential(
            _make_block(in_channels, widths[0]),
            nn.Sequential(nn.MaxPool2d(2), nn.Dropout(dropout), *_make_block(widths[0], widths[1])),
            nn.Sequential(nn.MaxPool2d(2), nn.Dropout(dropout), *_make_block(widths[1], widths[2])),
        )
        load_or_initialize(self.network, "the small CIFAR network", weights, mean, std)
        self.channels, self.strides, self.num_features = list(widths), [1, 2, 4], widths[-1]
        self.stages = divide_into_stages(self.network, ["0", "1", "2"])
        self.name, self.side = "cifar_net", 32

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        return run_stages(self.network, images)

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(stage.parameters()) for stage in self.network]


def _make_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
