"""Rates that fall towards the input."""

from collections.abc import Sequence

from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning


class Discriminative(FineTuning):
    """The nearer the input, the slower a stage learns (Howard & Ruder 2018).

    Args:
        decay: the rate of each stage as a share of the next; the last stage has `decay` times the heads' rate.
        shares: instead of `decay`, the shares of the heads' rate for equal parts of the backbone, from the input:
            [0.001, 0.01] gives its first half 1/1000 and its second half 1/100.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, decay: float = 0.4, shares: Sequence[float] | None = None, keep_statistics: bool = True) -> None:
        if not 0 < decay <= 1:
            raise CandelabraError(f"finetune.decay={decay} must be above 0 and at most 1 (0.4, say).")
        if shares is not None and (not shares or min(shares) <= 0):
            raise CandelabraError(
                f"finetune.shares={list(shares)} must be a list of numbers above 0, from the input on."
            )
        self.decay, self.shares = decay, list(shares) if shares is not None else None
        self.keep_statistics = keep_statistics

    def frozen_stages(self, epoch: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        if self.shares is not None:
            return self.shares[stage * len(self.shares) // num_stages]
        return float(self.decay ** (num_stages - stage))
