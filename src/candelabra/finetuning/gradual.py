"""Gradual unfreezing of stages, from the output on."""

from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Gradual(FineTuning):
    """Trains the heads alone at first, then unfreezes one stage after another (Howard & Ruder 2018).

    Args:
        every: epochs between two stages, at least 1; null if `over` is given.
        over: share of the run, above 0 and below 1, after which all stages are unfrozen; instead of `every`.
        decay: ratio of the rates of a stage and the next, above 0 and at most 1; the last stage has `decay` times the
            heads' rate.
        keep_statistics: see `FineTuning`.

    Raises:
        CandelabraError: a value is out of range, or both or neither of `every` and `over` are given.
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
        # The small addend corrects the rounding of shares such as 0.3 of ten epochs.
        return max(0, num_stages - int(num_stages * epoch / (self.over * epochs) + 1e-9))

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
