"""Learning rates that fall towards the input."""

from collections.abc import Sequence

from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Discriminative(FineTuning):
    """Gives each stage a lower learning rate than the next one (Howard & Ruder 2018).

    Args:
        decay: ratio of the rates of a stage and the next, above 0 and at most 1; the last stage has `decay` times the
            heads' rate.
        shares: one number above 0 for each stage, from the input on: its share of the heads' rate, instead of `decay`.
        keep_statistics: see `FineTuning`.

    Raises:
        CandelabraError: a value is out of range, or (in `lr_scale`) there are not as many shares as stages.
    """

    def __init__(self, decay: float = 0.4, shares: Sequence[float] | None = None, keep_statistics: bool = True) -> None:
        if shares is not None and (not shares or min(shares) <= 0):
            raise CandelabraError(
                f"finetune.shares={list(shares)} must be a list of numbers above 0, one for each stage from the input."
            )
        self.decay, self.shares = check_share("decay", decay, 0.4), list(shares) if shares is not None else None
        self.keep_statistics = keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        if self.shares is None:
            return float(self.decay ** (num_stages - stage))
        if len(self.shares) != num_stages:
            raise CandelabraError(
                f"finetune.shares={self.shares} has {len(self.shares)} numbers and this backbone {num_stages} stages; "
                "give one number for each stage, from the input on."
            )
        return self.shares[stage]
