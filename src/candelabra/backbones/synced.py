"""Batch normalisation whose statistics are those of all processes, on any device.

torch's own runs on GPUs alone and takes the place of the layer, which stages and optimizers then no longer know.
"""

import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from candelabra.errors import CandelabraError


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation of maps (N, C, H, W) that stands in for torch's, in training on several processes."""

    def forward(self, input: Tensor) -> Tensor:
        return normalised(self, input) if self.training else super().forward(input)


class SyncedBatchNormAct2d(BatchNormAct2d):  # type: ignore[misc]
    """Likewise for timm's, which has an activation of its own."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)  # type: ignore[no-any-return]
        return self.act(self.drop(normalised(self, x)))  # type: ignore[no-any-return]


def sync(network: nn.Module) -> None:
    """Makes the batch normalisation of a network a synced one, in place: its parameters and buffers stay.

    Raises:
        CandelabraError: a layer is of a kind that is not known.
    """
    kinds = {nn.BatchNorm2d: SyncedBatchNorm2d, BatchNormAct2d: SyncedBatchNormAct2d}
    for module in network.modules():
        if isinstance(module, _BatchNorm) and type(module) not in kinds.values():
            if type(module) not in kinds:
                raise CandelabraError(
                    f"trainer.sync_batchnorm=true cannot sync this backbone's {type(module).__name__}; set it to false, or "
                    "choose another backbone."
                )
            module.__class__ = kinds[type(module)]


def normalised(norm: _BatchNorm, maps: Tensor) -> Tensor:
    """Normalises by mean and variance over all processes, in float32, and moves the running statistics by them."""
    values = maps.float()
    count = values.new_tensor([values.numel() / values.shape[1]])
    sums = Sum.apply(torch.cat([values.sum((0, 2, 3)), count]))
    total = sums[-1].detach()
    mean = sums[:-1] / total
    centred = values - mean[:, None, None]
    variance = Sum.apply(centred.square().sum((0, 2, 3))) / total
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        share = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)  # type: ignore[arg-type]
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
            norm.running_var.lerp_((variance * (total / (total - 1).clamp(min=1))).to(norm.running_var.dtype), share)
    found = centred * torch.rsqrt(variance + norm.eps)[:, None, None]
    if norm.affine:
        found = found * norm.weight[:, None, None] + norm.bias[:, None, None]
    return found.to(maps.dtype)


class Sum(torch.autograd.Function):
    """The sum over processes; so is its gradient."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return _over_processes(values)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return _over_processes(gradient)


def _over_processes(values: Tensor) -> Tensor:
    total = values.clone()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total
