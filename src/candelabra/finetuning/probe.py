"""A grid of heads on a frozen backbone."""

from collections.abc import Sequence

from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning


class Probe(FineTuning):
    """Freezes all stages and trains heads with every pair of learning rate and weight decay; the best ones are saved.

    It is a linear probe (Alain & Bengio 2017) if the head is linear. It needs features that can be cached; see
    `candelabra.feature_cache.ProbeGrid`.

    Args:
        rates: learning rates, each above 0; they replace `lr`.
        decays: weight decays, each 0 or more; they replace `optimizer.weight_decay`.
    """

    def __init__(
        self, rates: Sequence[float] = (0.0003, 0.001, 0.003, 0.01), decays: Sequence[float] = (0.0, 0.01, 0.1, 1.0)
    ) -> None:
        if not rates or min(rates) <= 0:
            raise CandelabraError(f"finetune.rates={list(rates)} must be a list of numbers above 0, [0.001,0.01] say.")
        if not decays or min(decays) < 0:
            raise CandelabraError(f"finetune.decays={list(decays)} must be a list of numbers, 0 or more, [0,0.1] say.")
        self.grid = [(rate, decay) for rate in rates for decay in decays]

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return num_stages

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return 1.0
