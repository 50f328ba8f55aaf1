"""The last stages and the heads; the first stages are frozen throughout."""

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.finetuning.checks import check_share
from candelabra.finetuning.strategy import FineTuning


class Partial(FineTuning):
    """Trains the last stages, and freezes those before them (Yosinski et al. 2014).

    Where all versions of the images are known beforehand, the maps of the frozen stages are computed once; see
    `candelabra.feature_cache`.

    Args:
        stages: how many learn, counted from the output; at least 1, and fewer than the backbone has.
        decay: ratio of the rates of a stage and the next, above 0 and at most 1; the last stage has `decay` times the
            heads' rate.
        keep_statistics: see `FineTuning`.

    Raises:
        CandelabraError: a value is out of range.
    """

    def __init__(self, stages: int = 2, decay: float = 0.4, keep_statistics: bool = True) -> None:
        if stages < 1:
            raise CandelabraError(f"finetune.stages={stages} must be at least 1; finetune=frozen trains heads alone.")
        self.stages, self.decay, self.keep_statistics = stages, check_share("decay", decay, 0.4), keep_statistics

    def prepare(self, backbone: Backbone) -> None:
        """Refuses more stages than the backbone has.

        Raises:
            CandelabraError: no stage would be frozen.
        """
        if self.stages >= (count := len(backbone.stages)):
            raise CandelabraError(
                f"finetune.stages={self.stages}, but this backbone has {count} stages: none would be frozen; set "
                f"finetune.stages below {count}, or finetune=discriminative, which trains all."
            )

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return max(0, num_stages - self.stages)

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return float(self.decay ** (num_stages - stage))
