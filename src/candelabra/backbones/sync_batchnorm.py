"""Batch normalisation with statistics over all processes, on any device.

`torch.nn.SyncBatchNorm` runs on GPUs only, and converting to it replaces modules that `stages` and optimizers hold.
These classes change the class of each layer in place.
"""

from collections.abc import Mapping

import torch
import torch.distributed as dist
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from candelabra.errors import CandelabraError


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation of maps (N, C, H, W) over all processes while training."""

    def forward(self, input: Tensor) -> Tensor:
        return normalize_across_ranks(self, input) if self.training else super().forward(input)


class SyncedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation of vectors (N, C) over all processes while training."""

    def forward(self, input: Tensor) -> Tensor:
        return normalize_across_ranks(self, input) if self.training else super().forward(input)


class SyncedBatchNormAct2d(BatchNormAct2d):
    """timm's batch normalisation with activation, over all processes while training."""

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.act(self.drop(normalize_across_ranks(self, x))) if self.training else super().forward(x)  # type: ignore[no-untyped-call]
        return found


_SYNCED_CLASSES: Mapping[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SyncedBatchNorm1d,
    nn.BatchNorm2d: SyncedBatchNorm2d,
    BatchNormAct2d: SyncedBatchNormAct2d,
}


def convert_sync_batchnorm(network: nn.Module) -> None:
    """Change the class of batch normalisation layers to a synchronised one, in place; parameters and buffers stay.

    Raises:
        CandelabraError: the network contains another kind of batch normalisation.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm) and not has_sync_batchnorm(module):
            if type(module) not in _SYNCED_CLASSES:
                raise CandelabraError(
                    f"trainer.sync_batchnorm=true cannot sync the {type(module).__name__} of this network; set it to "
                    "false, or choose another backbone."
                )
            module.__class__ = _SYNCED_CLASSES[type(module)]  # type: ignore[assignment]


def has_sync_batchnorm(network: nn.Module) -> bool:
    """Whether a network has synchronised batch normalisation; all processes must then run it together in training."""
    return any(isinstance(module, tuple(_SYNCED_CLASSES.values())) for module in network.modules())


def normalize_across_ranks(norm: _BatchNorm, values: Tensor) -> Tensor:
    """Normalise values by mean and variance over all processes, in float32, and update the running statistics.

    Args:
        norm: the layer.
        values: (N, C, ...); N may be 0 on some processes.
    """
    others = [dim for dim in range(values.ndim) if dim != 1]
    shape = [1, -1] + [1] * (values.ndim - 2)
    wide = values.float()
    count = wide.new_tensor([wide.numel() / wide.shape[1]])
    sums = AllReduceSum.apply(torch.cat([wide.sum(others), count]))
    total = sums[-1].detach()
    mean = sums[:-1] / total.clamp(min=1)
    centred = wide - mean.view(shape)
    variance = AllReduceSum.apply(centred.square().sum(others)) / total.clamp(min=1)
    if norm.track_running_stats and norm.running_mean is not None and norm.running_var is not None:
        _update_running_statistics(norm, mean.detach(), variance.detach(), total)
    found: Tensor = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        found = found * norm.weight.view(shape) + norm.bias.view(shape)
    return found.to(values.dtype)


@torch.no_grad()
def _update_running_statistics(norm: _BatchNorm, mean: Tensor, variance: Tensor, total: Tensor) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1 / norm.num_batches_tracked if norm.momentum is None else total.new_tensor(norm.momentum)
    share = momentum * (total > 0)
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (total / (total - 1).clamp(min=1)), share)


class AllReduceSum(torch.autograd.Function):
    """Sum over processes; the gradient is summed over processes too."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return _sum_over_processes(values)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return _sum_over_processes(gradient)


def _sum_over_processes(values: Tensor) -> Tensor:
    total = values.clone()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(total)
    return total
