"""Residual networks for images of 32 pixels, with normalisation before each convolution.

He et al. 2016, "Identity Mappings in Deep Residual Networks": 164 layers have 1.7 million weights, 1001 layers 10.2
million.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone, divide_into_stages, fit_channels
from candelabra.backbones.cifar_net import MEAN, STD
from candelabra.backbones.sequential import load_or_initialize, run_stages
from candelabra.errors import CandelabraError


class PreActResNet(Backbone):
    """Three stages of (depth - 2) / 9 bottleneck blocks each, of 64, 128 and 256 channels.

    As in the paper, the first two maps are not normalised; the last one is.

    Args:
        depth: number of layers with weights, including the classifier: 9 n + 2, such as 164 or 1001.
        weights: none, the path of a weights file, or the folder of an exported backbone.
        in_channels: channels of the images.
        mean, std: per channel, for images in [0, 1].

    Raises:
        CandelabraError: depth is not 9 n + 2.
    """

    def __init__(
        self,
        depth: int = 164,
        weights: str = "none",
        in_channels: int = 3,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ) -> None:
        blocks, rest = divmod(depth - 2, 9)
        if rest or blocks < 1:
            raise CandelabraError(f"backbone.depth={depth} is not 9 n + 2; give 11, 20, 29, ..., 164 or 1001.")
        super().__init__(fit_channels(mean, in_channels), fit_channels(std, in_channels))
        self.network = nn.Sequential(
            nn.Sequential(nn.Conv2d(in_channels, 16, 3, padding=1, bias=False), *_make_stage(16, 16, 1, blocks)),
            nn.Sequential(*_make_stage(64, 32, 2, blocks)),
            nn.Sequential(*_make_stage(128, 64, 2, blocks), nn.BatchNorm2d(256), nn.ReLU(inplace=True)),
        )
        for module in self.network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        load_or_initialize(self.network, f"the pre-activation ResNet-{depth}", weights, mean, std)
        self.channels, self.strides, self.num_features = [64, 128, 256], [1, 2, 4], 256
        self.stages = divide_into_stages(self.network, ["0", "1", "2"])
        self.name, self.side = f"preact_resnet{depth}", 32

    def extract(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        return run_stages(self.network, images)

    def layers(self) -> list[list[nn.Parameter]]:
        groups = [list(part.parameters()) for stage in self.network for part in stage.children()]
        return [group for group in groups if group]


class Bottleneck(nn.Module):
    """Residual block of 1x1, 3x3 and 1x1 convolutions, each after normalisation and ReLU.

    The shortcut is the identity, or a projection where channels or size change.

    Args:
        inputs: input channels.
        width: inner channels; the block has 4 * width output channels.
        stride: of the 3x3 convolution and of the projection.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(inplace=True))
        self.inside = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 4 * width, 1, bias=False),
        )
        changes = inputs != 4 * width or stride > 1
        self.project = nn.Conv2d(inputs, 4 * width, 1, stride, bias=False) if changes else None

    def forward(self, maps: Tensor) -> Tensor:
        """Compute (N, 4 * width, h / stride, w / stride) from maps (N, inputs, h, w)."""
        active = self.before(maps)
        shortcut: Tensor = maps if self.project is None else self.project(active)
        residual: Tensor = self.inside(active)
        return shortcut + residual


def _make_stage(inputs: int, width: int, stride: int, blocks: int) -> list[nn.Module]:
    return [Bottleneck(inputs, width, stride), *(Bottleneck(4 * width, width, 1) for _ in range(blocks - 1))]
