"""Stages thaw one after another, from the top."""

from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Gradual(FineTuning):
    """First the heads alone, then one stage more and more (Howard & Ruder 2018).

    Args:
        every: epochs between two thaws, at least 1; null where `over` says it.
        over: instead of `every`, the share of the run, above 0 and below 1, after which all stages have thawed.
        decay: the rate of each stage as a share of the next; the last stage has `decay` times the heads' rate.
        keep_statistics: see `FineTuning`.

    Raises:
        CandelabraError: a value out of range, or both or none of `every` and `over`.
    """

    def __init__(
        self, every: int | None = 1, over: float | None = None, decay: float = 0.4, keep_statistics: bool = True
    ) -> None:
        if (every is None) == (over is None):
            raise CandelabraError(
                f"finetune.every={every} and finetune.over={over}: give one of them and set the other to null "
                "(finetune.every=null finetune.over=0.5)."
            )
        if every is not None and every < 1:
            raise CandelabraError(f"finetune.every={every} must be at least 1 epoch.")
        if over is not None and not 0 < over < 1:
            raise CandelabraError(f"finetune.over={over} is a share of the run, above 0 and below 1 (0.5, say).")
        self.every, self.over = every, over
        self.timing = "finetune.every" if over is None else "finetune.over"
        self.decay, self.keep_statistics = check_share("decay", decay, 0.4), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        if self.over is None:
            return max(0, num_stages - epoch // (self.every or 1))
        # The small addend is for shares that are no binary fraction, such as 0.3 of ten epochs.
        return max(0, num_stages - int(num_stages * epoch / (self.over * epochs) + 1e-9))

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
