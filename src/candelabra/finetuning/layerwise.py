"""Rates that fall from layer to layer."""

from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Layerwise(FineTuning):
    """Each layer learns a little slower than the next, as is usual for transformers (Clark et al. 2020).

    What a layer is, timm says (its `group_matcher`): the stem, each block, what stands behind the blocks.

    Args:
        decay: the rate of each layer as a share of the next; the last layer has `decay` times the heads' rate.
        keep_statistics: see `FineTuning`.
    """

    layerwise = True

    def __init__(self, decay: float = 0.75, keep_statistics: bool = True) -> None:
        self.decay, self.keep_statistics = check_share("decay", decay, 0.75), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
