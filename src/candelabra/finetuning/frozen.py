"""Heads on a frozen backbone."""

from candelabra.finetuning.strategy import FineTuning


class Frozen(FineTuning):
    """Freezes all stages: no tensor of the backbone changes, running statistics included."""

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return num_stages

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return 1.0
