"""The contract of a balance: how the losses of several heads become one loss."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from candelabra.balancing.gradients import SharedGradients
from candelabra.errors import CandelabraError

GramianSolver = Callable[[Tensor], Tensor]
_TINY = 1e-20  # smallest squared norm of a gradient that counts


class StepPosition(NamedTuple):
    """Position of a batch in a run.

    Args:
        step: optimizer steps done, from 0.
        epoch: epochs done, from 0.
    """

    step: int = 0
    epoch: int = 0


class Balance(nn.Module, ABC):
    """Combines the losses of m heads; derive from `LossBalance` or `GradientBalance`.

    Module state (parameters and persistent buffers) is saved in checkpoints. Losses and counts are those of all ranks
    together and equal on all ranks, and so are the weights.

    Args:
        names: of the heads, in the order of the losses.

    Attributes:
        constant: (m,) factors of the validation loss. They never change, so validation losses stay comparable.
        needs_gradients: the task computes each head's gradient on the backbone, and passes them to `join`.
        needs_losses_after_step: the task evaluates the batch again after each optimizer step for `after_step`.
        has_fixed_weights: `weights` are the same in all steps, so there is nothing to log.
        needs_positive_losses: it takes logarithms or ratios of losses, or has no minimum where one is negative.
    """

    needs_gradients: ClassVar[bool] = False
    needs_losses_after_step: ClassVar[bool] = False
    has_fixed_weights: ClassVar[bool] = False
    needs_positive_losses: ClassVar[bool] = False

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.register_buffer("constant", torch.ones(len(self.names)), persistent=False)
        self.constant: Tensor

    @abstractmethod
    def join(self, losses: Tensor, counts: Tensor, position: StepPosition, gradients: SharedGradients | None) -> Tensor:
        """Returns the loss () that is minimised.

        Args:
            losses: (m,) means over labelled samples; 0 where there is none.
            counts: (m,) labelled samples; a head without one must not count as solved.
            position: of the batch in the run.
            gradients: of the heads on the backbone, if `needs_gradients`.
        """

    @abstractmethod
    def weights(self) -> Tensor:
        """The factors (m,) of the losses, or of the gradients, in the last step."""

    def after_step(self, losses: Tensor, counts: Tensor) -> None:
        """Learns from the losses (m,) of the same batch after the optimizer step; see `needs_losses_after_step`."""


class LossBalance(Balance, ABC):
    """Combines the values of the losses."""

    @abstractmethod
    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        """Returns the joint loss (); see `Balance.join`."""

    def join(self, losses: Tensor, counts: Tensor, position: StepPosition, gradients: SharedGradients | None) -> Tensor:
        joint: Tensor = self(losses, counts, position)
        return joint


class GradientBalance(Balance, ABC):
    """Weighs the gradients of the heads on the shared backbone; each head learns from its own loss.

    A step costs one more backward pass through the heads, and one through the backbone for each head.
    """

    needs_gradients: ClassVar[bool] = True

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(names)
        self.register_buffer("used", torch.ones(len(self.names)), persistent=False)
        self.used: Tensor

    @abstractmethod
    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        """Returns factors (m,) of the losses, for the heads, and (m,) of the gradients, for the backbone.

        Args:
            gramian: (m, m) inner products of the heads' gradients on the backbone, of all ranks.
            losses: (m,), see `Balance.join`.
            counts: (m,), see `Balance.join`.
            position: of the batch in the run.
        """

    def join(self, losses: Tensor, counts: Tensor, position: StepPosition, gradients: SharedGradients | None) -> Tensor:
        assert gradients is not None
        for_heads, for_backbone = self(gradients.gramian, losses.detach(), counts, position)
        joint: Tensor = (for_heads * losses).sum() + gradients.surrogate(for_backbone)
        return joint

    def weights(self) -> Tensor:
        return self.used

    def weigh_conflicts(self, gramian: Tensor, counts: Tensor, solve: GramianSolver) -> tuple[Tensor, Tensor]:
        """Weighs the gradients of the heads that have one; other heads, and all losses, keep the factor 1.

        Args:
            gramian: (m, m), see `forward`.
            counts: (m,), see `forward`.
            solve: (k, k) float64 inner products, scaled to mean 1 on the diagonal -> (k,) weights.
        """
        self.used = torch.ones_like(self.used)
        present = torch.nonzero((counts > 0) & (gramian.diagonal() > _TINY)).flatten()
        if len(present) > 1 and gramian.isfinite().all():
            part = gramian[present][:, present].cpu().double()
            self.used[present] = solve(part / part.diagonal().mean()).to(self.used)
        return torch.ones_like(self.used), self.used


BalanceFactory = Callable[[Sequence[str]], Balance]


def check_positive(name: str, value: float) -> float:
    """Returns the value of `balance.<name>`.

    Raises:
        CandelabraError: it is not above 0.
    """
    if not value > 0:
        raise CandelabraError(f"balance.{name}={value} must be above 0.")
    return value


def check_not_negative(name: str, value: float) -> float:
    """Returns the value of `balance.<name>`.

    Raises:
        CandelabraError: it is below 0.
    """
    if not value >= 0:
        raise CandelabraError(f"balance.{name}={value} must be 0 or more.")
    return value
