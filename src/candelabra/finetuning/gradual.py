"""Stages thaw one after another, from the top."""

from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning


class Gradual(FineTuning):
    """First the heads alone, then one stage more every few epochs (Howard & Ruder 2018).

    Args:
        every: epochs between two thaws, at least 1.
        decay: the rate of each stage as a share of the next; the last stage has `decay` times the heads' rate.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, every: int = 1, decay: float = 0.4, keep_statistics: bool = True) -> None:
        if every < 1:
            raise CandelabraError(f"finetune.every={every} must be at least 1 epoch.")
        if not 0 < decay <= 1:
            raise CandelabraError(f"finetune.decay={decay} must be above 0 and at most 1 (0.4, say).")
        self.every, self.decay, self.keep_statistics = every, decay, keep_statistics

    def frozen_stages(self, epoch: int, num_stages: int) -> int:
        return max(0, num_stages - epoch // self.every)

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
