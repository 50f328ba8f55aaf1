"""The contract of a fine-tuning strategy: which stages learn, when, and how fast."""

from abc import ABC, abstractmethod


class FineTuning(ABC):
    """Two pure functions of the stage and the epoch; there is no state, so a resumed run continues exactly.

    Attributes:
        keep_statistics: batch normalisation keeps its running statistics where weights learn. Right for a
            pretrained backbone on small data: on a few hundred images its own statistics cost more than they give.
    """

    keep_statistics: bool = True

    @abstractmethod
    def frozen_stages(self, epoch: int, num_stages: int) -> int:
        """How many stages, from the input, hold still in this epoch (from 0)."""

    @abstractmethod
    def lr_scale(self, stage: int, num_stages: int) -> float:
        """The rate of a stage (0 at the input) as a share of the heads' rate, above 0."""
