"""First the heads, then everything."""

import math

from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_scale as checked
from candelabra.finetuning.strategy import FineTuning


class LpFt(FineTuning):
    """The heads alone for a share of the run, then the whole network (Kumar et al. 2022).

    Random heads send large gradients into a pretrained backbone; heads that fit already bend it less.

    Args:
        share: of the epochs in which the heads learn alone, above 0 and below 1, rounded up to whole ones.
        scale: afterwards the backbone learns at this share of the heads' rate, above 0.
        keep_statistics: see `FineTuning`.
    """

    timing = "finetune.share"

    def __init__(self, share: float = 0.3, scale: float = 0.1, keep_statistics: bool = True) -> None:
        if not 0 < share < 1:
            raise CandelabraError(
                f"finetune.share={share} is a share of the run, above 0 and below 1 (0.3, say); finetune=frozen "
                "never thaws, finetune=full does from the start."
            )
        self.share, self.scale, self.keep_statistics = share, checked(scale), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return num_stages if epoch < math.ceil(self.share * epochs - 1e-9) else 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
