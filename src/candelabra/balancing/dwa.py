"""Dynamic weight average: weights by how slowly losses fall."""

from collections.abc import Sequence

import torch
from torch import Tensor

from candelabra.balancing.balance import LossBalance, StepPosition, check_positive


class DynamicWeightAverage(LossBalance):
    """m * softmax(r / temperature), r = mean loss of the last epoch / of the one before (Liu et al. 2019).

    Means are over labelled samples; a head without one in an epoch keeps its means. In the first two epochs, and for a
    head that has had labels in fewer than two, r = 1.

    Args:
        names: see `Balance`.
        temperature: of the softmax, above 0; large values make the weights equal.
    """

    def __init__(self, names: Sequence[str], temperature: float = 2.0) -> None:
        super().__init__(names)
        self.temperature = check_positive("temperature", temperature)
        for name in ("sums", "samples", "last", "before"):
            self.register_buffer(name, torch.zeros(len(self.names)))
        self.register_buffer("epoch", torch.tensor(0))
        self.sums: Tensor
        self.samples: Tensor
        self.last: Tensor
        self.before: Tensor
        self.epoch: Tensor

    def forward(self, losses: Tensor, counts: Tensor, position: StepPosition) -> Tensor:
        if position.epoch != int(self.epoch):
            self._end_epoch()
            self.epoch = torch.full_like(self.epoch, position.epoch)
        finite = losses.isfinite()  # mixed precision skips the step of one that is not
        self.sums += torch.where(finite, losses.detach() * counts, 0.0)
        self.samples += torch.where(finite, counts, 0.0)
        return (self.weights() * losses).sum()

    def weights(self) -> Tensor:
        ratio = torch.where(self.before > 0, self.last / self.before.clamp(min=1e-12), 1.0)
        return len(self.names) * torch.softmax(ratio / self.temperature, 0)

    def _end_epoch(self) -> None:
        seen = self.samples > 0
        self.before = torch.where(seen, self.last, self.before)
        self.last = torch.where(seen, self.sums / self.samples.clamp(min=1), self.last)
        self.sums, self.samples = torch.zeros_like(self.sums), torch.zeros_like(self.samples)
