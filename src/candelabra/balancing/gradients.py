"""The gradient of each head's loss on the shared backbone."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from candelabra.types import Features


def detach_features(features: Features) -> Features:
    """Returns the features detached from the backbone, so that the gradient of each head ends at them."""

    def cut(each: Tensor) -> Tensor:
        return each.detach().requires_grad_(each.requires_grad)

    return Features([cut(each) for each in features.maps], cut(features.final), features.size)


class SharedGradients:
    """One row a head: the gradient of its loss on the parameters of the backbone that learn.

    Args:
        losses: () of each head, which read `cut`; one without a gradient is of a head that has no label.
        features, cut: what the backbone returned, and its `detach_features`.
        parameters: of the backbone.
        mean: tensor -> its mean over ranks; none in a run of one process.
        scale: of the losses on the way back, where small gradients would be rounded to 0 (float16).
    """

    def __init__(
        self,
        losses: Sequence[Tensor],
        features: Features,
        cut: Features,
        parameters: Sequence[nn.Parameter],
        mean: Callable[[Tensor], Tensor] | None = None,
        scale: float = 1.0,
    ) -> None:
        ends = [(f, c) for f, c in zip(_all(features), _all(cut), strict=True) if f.requires_grad]
        self.parameters = [p for p in parameters if p.requires_grad]
        rows = [self._row(loss * scale, ends) / scale for loss in losses] if ends and self.parameters else []
        self.rows = torch.stack(rows) if rows else losses[0].new_zeros(len(losses), 0)
        shared = mean(self.rows) if rows and mean else self.rows
        wide = shared if shared.device.type == "mps" else shared.double()  # Apple's GPUs have no float64
        with disable_autocast(wide):
            self.gramian = wide @ wide.T

    def _row(self, loss: Tensor, ends: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        size = sum(p.numel() for p in self.parameters)
        if not loss.requires_grad:
            return torch.zeros(size, device=loss.device)
        found = torch.autograd.grad(loss, [c for _, c in ends], retain_graph=True, allow_unused=True)
        read = [(f, gradient) for (f, _), gradient in zip(ends, found, strict=True) if gradient is not None]
        if not read:
            return torch.zeros(size, device=loss.device)
        maps, gradients = [f for f, _ in read], [g for _, g in read]
        given = torch.autograd.grad(maps, self.parameters, gradients, retain_graph=True, allow_unused=True)
        each = [torch.zeros_like(p) if g is None else g for p, g in zip(self.parameters, given, strict=True)]
        return torch.cat([gradient.reshape(-1).float() for gradient in each])

    def surrogate(self, weights: Tensor) -> Tensor:
        """A loss of value 0 whose gradient on the backbone is the weighted sum of the rows.

        It is linear in the parameters, so its backward does not run through the backbone. Loss scaling, accumulation,
        clipping and DDP's hooks work as for any other loss.
        """
        if not self.rows.numel():
            return weights.new_zeros(())
        with disable_autocast(self.rows):
            joined = (weights.to(self.rows) @ self.rows).split([p.numel() for p in self.parameters])
        value = torch.stack([(p * g.view_as(p)).sum() for p, g in zip(self.parameters, joined, strict=True)]).sum()
        return value - value.detach()


def disable_autocast(like: Tensor) -> AbstractContextManager[None]:
    """No mixed precision, which would round products of gradients, and the weights, to 8 bits of fraction."""
    return torch.autocast(like.device.type, enabled=False)


def _all(features: Features) -> list[Tensor]:
    return [*features.maps, features.final]
