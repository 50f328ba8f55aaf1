"""Linear probing, then full fine-tuning."""

import math

from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_scale
from candelabra.finetuning.strategy import FineTuning


class LpFt(FineTuning):
    """Trains the heads alone for a share of the run, then the whole network (Kumar et al. 2022).

    Randomly initialised heads have large gradients, which distort a pretrained backbone; trained heads distort it less.

    Args:
        share: of the epochs in which the heads learn alone, above 0 and below 1, rounded up to whole epochs.
        scale: learning rate of the backbone afterwards, as a share of the heads' rate, above 0.
        keep_statistics: see `FineTuning`.
    """

    timing = "finetune.share"

    def __init__(self, share: float = 0.3, scale: float = 0.1, keep_statistics: bool = True) -> None:
        if not 0 < share < 1:
            raise CandelabraError(
                f"finetune.share={share} is a share of the run, above 0 and below 1 (0.3, say); finetune=frozen "
                "never thaws, finetune=full does from the start."
            )
        self.share, self.scale, self.keep_statistics = share, check_scale(scale), keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return num_stages if epoch < math.ceil(self.share * epochs - 1e-9) else 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.scale
