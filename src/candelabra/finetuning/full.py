"""The whole network at one rate."""

from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning


class Full(FineTuning):
    """Every stage learns from the start, at the same share of the heads' rate.

    Args:
        scale: that share, above 0.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, scale: float = 1.0, keep_statistics: bool = True) -> None:
        if scale <= 0:
            raise CandelabraError(f"finetune.scale={scale} must be above 0; finetune=frozen is for a still backbone.")
        self.scale, self.keep_statistics = scale, keep_statistics

    def frozen_stages(self, epoch: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
