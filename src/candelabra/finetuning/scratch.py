"""Training from random weights."""

from candelabra.finetuning.strategy import FineTuning


class Scratch(FineTuning):
    """Trains everything at one learning rate and updates running statistics; for `backbone.weights=none`."""

    keep_statistics = False

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return 0

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return 1.0
