"""The whole network at one learning rate."""

from candelabra.finetuning.checks import check_scale
from candelabra.finetuning.strategy import FineTuning


class Full(FineTuning):
    """Trains all stages from the start.

    Args:
        scale: learning rate of the backbone as a share of the heads' rate, above 0.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, scale: float = 1.0, keep_statistics: bool = True) -> None:
        self.scale, self.keep_statistics = check_scale(scale), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
