"""The rates of the lecture notes: heads, the half of the backbone next to them, the half at the input."""

from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning


class Thirds(FineTuning):
    """Three rates: the heads have 1, the half of the stages next to them `near`, the half at the input `far`.

    Args:
        near, far: shares of the heads' rate, above 0. Of an odd number of stages, the one in the middle is far.
        keep_statistics: see `FineTuning`.
    """

    def __init__(self, near: float = 0.01, far: float = 0.001, keep_statistics: bool = True) -> None:
        for key, value in (("near", near), ("far", far)):
            if value <= 0:
                raise CandelabraError(f"finetune.{key}={value} must be above 0; it is a share of the heads' rate.")
        self.near, self.far, self.keep_statistics = near, far, keep_statistics

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.near if 2 * stage >= num_stages else self.far
