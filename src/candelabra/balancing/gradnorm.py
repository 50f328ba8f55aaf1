"""GradNorm: weights under which gradient norms follow training rates."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from candelabra.balancing.adam import VectorAdam
from candelabra.balancing.balance import GradientBalance, StepPosition, check_not_negative, check_positive


class GradNorm(GradientBalance):
    """Learns weights so that the norms of weighted gradients are mean * r**alpha (Chen et al. 2018).

    r is the ratio of a head's loss to its first one, relative to the other heads: a head that has learnt less gets a
    larger gradient. Norms are those of the whole backbone, because heads read different feature maps. Weights are
    factors of the losses with mean 1; their logarithms are learnt, so that they can differ by orders of magnitude.

    Args:
        names: see `Balance`.
        alpha: strength with which training rates are equalised, 0 or more; 0 makes norms equal.
        lr: learning rate of the weights, above 0.
    """

    needs_positive_losses: ClassVar[bool] = True

    def __init__(self, names: Sequence[str], alpha: float = 1.5, lr: float = 0.025) -> None:
        super().__init__(names)
        self.alpha = check_not_negative("alpha", alpha)
        self.adam = VectorAdam(len(self.names), check_positive("lr", lr))
        self.register_buffer("logits", torch.zeros(len(self.names)))
        self.register_buffer("first", torch.full((len(self.names),), torch.nan))
        self.logits: Tensor
        self.first: Tensor

    def forward(self, gramian: Tensor, losses: Tensor, counts: Tensor, position: StepPosition) -> tuple[Tensor, Tensor]:
        there = (counts > 0) & (gramian.diagonal() > 0)
        self.first = torch.where(there & losses.isfinite() & self.first.isnan(), losses, self.first)
        self.used = len(self.names) * torch.softmax(self.logits, 0)
        if bool(there.any()) and bool(gramian.isfinite().all()):
            self._learn(gramian.diagonal().sqrt().to(losses), losses, there)
        return self.used, self.used

    def _learn(self, norms: Tensor, losses: Tensor, there: Tensor) -> None:
        number = there.sum()
        left = torch.where(there, losses / self.first.clamp(min=1e-12), 0.0)
        rates = left / (left.sum() / number).clamp(min=1e-12)
        pulls = torch.where(there, self.used * norms, 0.0)
        slope = torch.where(there, norms * torch.sign(pulls - pulls.sum() / number * rates**self.alpha), 0.0)
        shares = torch.softmax(self.logits.masked_fill(~there, -torch.inf), 0)
        learnt = self.adam(self.logits, shares * (slope - (shares * slope).sum()), there)
        before, after = (logits[there].logsumexp(0) for logits in (self.logits, learnt))
        self.logits = torch.where(there, learnt + before - after, self.logits)  # absent heads keep their share
