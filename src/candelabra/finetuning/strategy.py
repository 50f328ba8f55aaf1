"""The contract of a fine-tuning strategy: which parts of the backbone learn, when, and at which rate."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import nn

from candelabra.backbones.backbone import Backbone


class FineTuning(ABC):
    """Pure functions of the stage, the epoch and the length of the run; no state, so a resumed run is exact.

    Attributes:
        keep_statistics: batch normalisation keeps its running statistics where weights learn. Right for a pretrained
            backbone on small data: on a few hundred images, statistics of the data cost more than they give.
        kinds: the types of the modules whose own parameters learn in a stage that is not frozen.
        layerwise: `lr_scale` is asked for each of timm's layers, which are finer than stages.
        timing: the config key that says when stages are unfrozen, for error messages; empty if none does.
        grid: pairs of learning rate and weight decay. If there are any, a copy of the heads is trained with each pair
            on features of the frozen backbone (`candelabra.feature_cache.ProbeGrid`) instead of the ordinary training.
    """

    keep_statistics: bool = True
    kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    layerwise: bool = False
    timing: str = ""
    grid: Sequence[tuple[float, float]] = ()

    @property
    def replaces_training(self) -> bool:
        """Whether a grid of heads is trained instead of the task."""
        return bool(self.grid)

    def prepare(self, backbone: Backbone) -> None:  # noqa: B027  # a hook that most strategies do not need
        """Changes the backbone once, before the optimizer is built (adds low-rank adapters, for instance)."""

    @abstractmethod
    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        """How many stages, counted from the input, are frozen in an epoch.

        Args:
            epoch: from 0.
            epochs: of the run.
            num_stages: of the backbone.
        """

    @abstractmethod
    def lr_scale(self, stage: int, num_stages: int) -> float:
        """The learning rate of a stage (of a layer, if `layerwise`) as a share of the heads' rate, above 0.

        Args:
            stage: from 0 at the input.
            num_stages: of the backbone.
        """
