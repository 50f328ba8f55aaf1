"""Mean and standard deviation of labels, measured while training: heads learn standardised numbers."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn


class RunningScale(nn.Module):
    """Standardises numbers by all labels seen in training so far.

    Batches are joined as Chan et al. (1983) join samples, so after an epoch this is the mean and the standard deviation
    of the training labels. They are the same on all ranks.

    Args:
        channels: of the numbers.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("count", torch.zeros(channels))
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor

    @property
    def std(self) -> Tensor:
        """(C,) the standard deviation; 1 where all labels are equal."""
        return torch.where(self.variance > 0, self.variance, 1.0).sqrt()

    @torch.no_grad()
    def observe(self, labels: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        """Adds labels (N, C, ...), NaN where unknown; `sum_ranks`: tensor -> its sum over ranks."""
        values = labels.float().transpose(0, 1).flatten(1)
        known = values.isfinite()
        number, total = sum_ranks(torch.stack([known.sum(1).float(), torch.where(known, values, 0.0).sum(1)]))
        mean = total / number.clamp(min=1)
        squares = sum_ranks(torch.where(known, values - mean[:, None], 0.0).square().sum(1))
        share = number / (self.count + number).clamp(min=1)
        step = mean - self.mean
        joined = torch.lerp(self.variance, squares / number.clamp(min=1), share) + share * (1 - share) * step.square()
        self.variance.copy_(torch.where(number > 0, joined, self.variance))
        self.mean.add_(share * step)
        self.count.add_(number)

    def to_plain(self) -> dict[str, list[float]]:
        """Mean and variance as plain values, for model.json."""
        return {"mean": self.mean.tolist(), "variance": self.variance.tolist()}

    def restore(self, plain: Mapping[str, Sequence[float]]) -> None:
        """Sets what `to_plain` said."""
        self.mean.copy_(torch.tensor(plain["mean"]))
        self.variance.copy_(torch.tensor(plain["variance"]))

    def normalize(self, values: Tensor) -> Tensor:
        """Numbers (N, C, ...) in standard deviations from the mean."""
        return (values - _align(self.mean, values)) / _align(self.std, values)

    def denormalize(self, values: Tensor) -> Tensor:
        """What `normalize` made, as it was before."""
        return values * _align(self.std, values) + _align(self.mean, values)


def _align(numbers: Tensor, values: Tensor) -> Tensor:
    """(C,) in a shape that goes with (N, C, ...)."""
    return numbers.view(1, -1, *[1] * (values.ndim - 2))
