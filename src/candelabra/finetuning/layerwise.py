"""Layer-wise learning rate decay."""

from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Layerwise(FineTuning):
    """Gives each layer a lower learning rate than the next one, as is usual for transformers (Clark et al. 2020).

    Layers are those of timm's `group_matcher`: the stem, each block, and what follows the blocks.

    Args:
        decay: ratio of the rates of a layer and the next, above 0 and at most 1; the last layer has `decay` times the
            heads' rate.
        keep_statistics: see `FineTuning`.
    """

    layerwise = True

    def __init__(self, decay: float = 0.75, keep_statistics: bool = True) -> None:
        self.decay, self.keep_statistics = check_share("decay", decay, 0.75), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
