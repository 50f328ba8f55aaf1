"""The contract of a balance: the heads' losses become one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Balance(nn.Module, ABC):
    """Joins the losses of several heads; what it learns or remembers is in the checkpoint as module state."""

    @abstractmethod
    def forward(self, losses: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> Tensor:
        """One loss from one loss a head.

        Args:
            losses: () for each head, the mean over its labelled samples; 0 where there is none.
            counts: () for each head, how many samples were labelled.
        """

    @abstractmethod
    def weights(self) -> dict[str, float]:
        """The factor of each head now, for the logs."""
