"""The two contracts of a balance: the heads' losses become one, or their gradients on the shared backbone do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from candelabra.errors import CandelabraError

GramianSolver = Callable[[Tensor], Tensor]
_TINY = 1e-20  # a squared gradient norm below this is none


class StepPosition(NamedTuple):
    """Where in a run a batch is."""

    step: int = 0  # optimizer steps so far
    epoch: int = 0


class LossBalance(nn.Module, ABC):
    """Joins the losses of heads; what it learns or remembers is in the checkpoint as module state.

    Losses and counts are those of all ranks together, and equal on all of them, so weights are too.

    Args:
        names: of the heads, in the order of the losses.

    Attributes:
        constant: (m,) factors that never change, by which the validation loss is weighted: it stays comparable.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("constant", torch.ones(len(self.names)), persistent=False)
        self.constant: Tensor

    @abstractmethod
    def forward(self, losses: Tensor, counts: Tensor, moment: StepPosition) -> Tensor:
        """One loss () from one loss a head.

        Args:
            losses: (m,) means over labelled samples; 0 where there is none.
            counts: (m,) how many samples were labelled; a head with none must not look solved.
            moment: where in the run the batch is.
        """

    @abstractmethod
    def weights(self) -> Tensor:
        """(m,) the factors of the losses now."""


class GradientBalance(nn.Module, ABC):
    """Weighs the gradients that heads send into the backbone; each head itself learns from its own loss.

    Every step costs one more pass back through the heads, and one through the backbone for each head.

    Args: see `LossBalance`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("constant", torch.ones(len(self.names)), persistent=False)
        self.register_buffer("used", torch.ones(len(self.names)), persistent=False)
        self.constant: Tensor
        self.used: Tensor

    @abstractmethod
    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, moment: StepPosition) -> tuple[Tensor, Tensor]:
        """(m,) factors of the losses, for the heads, and (m,) factors of their gradients, for the backbone.

        Args:
            gramian: (m, m) inner products of the heads' gradients on the backbone, over all ranks.
            losses: (m,), see `LossBalance`.
            counts: (m,), likewise.
            moment: likewise.
        """

    def weights(self) -> Tensor:
        """(m,) the factors of the gradients of the last step."""
        return self.used

    def conflict(self, gramian: Tensor, counts: Tensor, solve: GramianSolver) -> tuple[Tensor, Tensor]:
        """What `solve` makes of the gradients that there are; heads keep their losses, absent heads weigh 1.

        Args:
            gramian: see `forward`.
            counts: likewise.
            solve: (k, k) inner products of mean 1 on the diagonal -> (k,) weights.
        """
        self.used = torch.ones_like(self.used)
        there = torch.nonzero((counts > 0) & (gramian.diagonal() > _TINY)).flatten()
        if len(there) > 1 and gramian.isfinite().all():
            part = gramian[there][:, there].cpu().double()
            self.used[there] = solve(part / part.diagonal().mean()).to(self.used)
        return torch.ones_like(self.used), self.used


class PostStepBalance(ABC):
    """What a balance also is that learns from the losses after a step, on the batch of that step."""

    @abstractmethod
    def look_back(self, losses: Tensor, counts: Tensor) -> None:
        """Learns from the losses (m,) of the batch of the last `forward`, measured again after the step."""


Balance = LossBalance | GradientBalance
BalanceFactory = Callable[[Sequence[str]], Balance]


def check_positive(name: str, value: float) -> float:
    """The value, refused where it is not above 0.

    Raises:
        CandelabraError: it is not.
    """
    if not value > 0:
        raise CandelabraError(f"balance.{name}={value} must be above 0.")
    return value


def check_not_negative(name: str, value: float) -> float:
    """The value, refused where it is below 0.

    Raises:
        CandelabraError: it is.
    """
    if not value >= 0:
        raise CandelabraError(f"balance.{name}={value} must be 0 or more.")
    return value
