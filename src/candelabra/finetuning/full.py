"""The whole network at one rate."""

from candelabra.finetuning.checks import check_scale as checked
from candelabra.finetuning.strategy import FineTuning


class Full(FineTuning):
    """Every stage learns from the start, at the same share of the heads' rate.

    Args:
        scale: that share, above 0.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, scale: float = 1.0, keep_statistics: bool = True) -> None:
        self.scale, self.keep_statistics = checked(scale), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
