"""New heads on a backbone that holds still."""

from candelabra.finetuning.strategy import FineTuning


class Frozen(FineTuning):
    """No stage learns: every tensor of the backbone, running statistics included, stays as it was."""

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return num_stages

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return 1.0
