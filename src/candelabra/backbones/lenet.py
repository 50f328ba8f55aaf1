"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition")."""

from collections.abc import Sequence

from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone, divide_into_stages, fit_channels
from candelabra.backbones.sequential import load_or_initialize, run_stages


class LeNet5(Backbone):
    """Layers C1, S2, C3, S4 and C5 of LeNet-5: 6, 16 and 120 channels, for images of 32 pixels (28 padded by 2).

    The usual modern variant: C3 reads all maps of S2, subsampling is average pooling, each convolution is followed
    by tanh. F6 (10,164 weights) and the output (850) belong to a head (`hidden=[84]`); together they have 61,706
    weights on grey images.

    Args:
        weights: none, the path of a weights file, or the folder of an exported backbone.
        in_channels: channels of the images; 1 in the paper.
        mean, std: per channel, for images in [0, 1].
    """

    def __init__(
        self,
        weights: str = "none",
        in_channels: int = 3,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__(fit_channels(mean, in_channels), fit_channels(std, in_channels))
        self.network = nn.Sequential(
            nn.Sequential(nn.Conv2d(in_channels, 6, 5), nn.Tanh()),
            nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh()),
            nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh()),
        )
        load_or_initialize(self.network, "LeNet-5", weights, mean, std)
        self.channels, self.strides, self.num_features = [6, 16, 120], [1, 2, 4], 120
        self.stages = divide_into_stages(self.network, ["0", "1", "2"])
        self.name, self.side = "lenet5", 32

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        return run_stages(self.network, images)

    def layers(self) -> list[list[nn.Parameter]]:
        return [list(stage.parameters()) for stage in self.network]
