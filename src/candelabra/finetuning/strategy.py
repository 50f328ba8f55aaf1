"""The contract of a fine-tuning strategy: which parts of the backbone learn, when, and how fast."""

from abc import ABC, abstractmethod

from torch import nn


class FineTuning(ABC):
    """Pure functions of the stage, the epoch and the length of the run; without state, so a resumed run is exact.

    Attributes:
        keep_statistics: batch normalisation keeps its running statistics where weights learn. Right for a
            pretrained backbone on small data: on a few hundred images its own statistics cost more than they give.
        kinds: the modules of a thawed stage whose own parameters learn; all others hold still.
        layerwise: rates are given to timm's layers, which are finer, instead of to stages.
        rank: of the low-rank adapters that learn beside still weights; 0 puts none in.
        timing: the key that says when stages thaw, for error messages; empty where none does.
    """

    keep_statistics: bool = True
    kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    layerwise: bool = False
    rank: int = 0
    timing: str = ""

    @abstractmethod
    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        """How many stages, from the input, hold still in this epoch (from 0) of a run of so many epochs."""

    @abstractmethod
    def lr_scale(self, stage: int, num_stages: int) -> float:
        """The rate of a stage (0 at the input) as a share of the heads' rate, above 0; of a layer if `layerwise`."""
