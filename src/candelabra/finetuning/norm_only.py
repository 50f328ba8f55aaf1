"""Normalisation layers only."""

from timm.layers.norm import RmsNorm, RmsNorm2d
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from candelabra.finetuning.checks import check_scale
from candelabra.finetuning.strategy import FineTuning

# The normalization layers of torch and timm have no common base class.
NORM_LAYERS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, RmsNorm, RmsNorm2d)


class NormOnly(FineTuning):
    """Trains scales and offsets of the normalisation layers, and the heads (Frankle et al. 2021).

    These are a fraction of a percent of the parameters.

    Args:
        scale: learning rate of these layers as a share of the heads' rate, above 0.
        keep_statistics: see `FineTuning`.
    """

    kinds = NORM_LAYERS

    def __init__(self, scale: float = 1.0, keep_statistics: bool = True) -> None:
        self.scale, self.keep_statistics = check_scale(scale), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
