"""FAMO: weights under which all losses fall at one relative rate, learnt from the losses alone."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from candelabra.balancing.adam import VectorAdam
from candelabra.balancing.balance import LossBalance, StepPosition, check_positive

_EPSILON = 1e-8  # losses are above 0


class Famo(LossBalance):
    """Fast adaptive multitask optimization (Liu et al. 2023): the sum of c z log(loss), z = softmax of learnt logits.

    After each step the losses of its batch are computed again, which costs a forward pass; the logit of a loss that
    fell less than others rises. c makes the mean weight of the heads that have labels 1.

    Args:
        names: see `Balance`.
        lr: learning rate of the logits, above 0.
        decay: factor of the L2 penalty on the logits, 0 or more.
    """

    needs_losses_after_step: ClassVar[bool] = True
    needs_positive_losses: ClassVar[bool] = True

    def __init__(self, names: Sequence[str], lr: float = 0.025, decay: float = 1e-3) -> None:
        super().__init__(names)
        self.adam = VectorAdam(len(self.names), check_positive("lr", lr), decay)
        self.register_buffer("logits", torch.zeros(len(self.names)))
        self.logits: Tensor
        self.used = torch.ones(len(self.names))
        self.losses = torch.zeros(len(self.names))

    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        there = counts > 0
        self.losses = losses.detach()
        shares = self._shares(there) / (self.losses + _EPSILON)
        self.used = shares * there.sum() / shares.sum().clamp(min=_EPSILON)
        return (self.used * losses).sum()

    def weights(self) -> Tensor:
        return self.used

    def after_step(self, losses: Tensor, counts: Tensor) -> None:
        finite = (self.losses.isfinite() & losses.isfinite()).all()  # or mixed precision skipped the step
        there = (counts > 0) & finite
        fell = torch.log(self.losses + _EPSILON) - torch.log(losses.detach() + _EPSILON)
        shares = self._shares(there)
        gradient = shares * (torch.where(there, fell, 0.0) - (shares * torch.where(there, fell, 0.0)).sum())
        self.logits = self.adam(self.logits, gradient, there)

    def _shares(self, there: Tensor) -> Tensor:
        """(m,) softmax over the heads that are there; 0 for the others."""
        return torch.softmax(self.logits.masked_fill(~there, -torch.inf), 0).nan_to_num()
