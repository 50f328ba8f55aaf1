"""Compiling the backbone of a task, which first finds the feature maps that its heads read."""

from collections.abc import Sequence

import torch
from torch import nn

from candelabra.tasks.statistics import preserve_buffers
from candelabra.tasks.task import Task
from candelabra.types import Features


def compile_backbone(task: Task, image: torch.Tensor, mode: str = "default", backend: str = "inductor") -> None:
    """Has torch.compile compile the backbone at its next batch; not before `dry_run`, which runs single images.

    Args:
        task: on the CPU.
        image: (3, H, W), as in training.
        mode: of torch.compile.
        backend: of torch.compile.
    """
    with torch.random.fork_rng([]), preserve_buffers(task), torch.no_grad():
        features: Features = task.backbone.eval()(image[None].repeat(2, 1, 1, 1))
        *maps, _ = find_read_features(list(task.train().heads.values()), features)
    task.backbone.unread = frozenset(index for index, read in enumerate(maps) if not read)
    task.backbone.compile(mode=mode, backend=backend)
    if task.balance.needs_gradients:
        torch._functorch.config.donated_buffer = False  # it goes back through the backbone once for each head


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile compiles a module; torch has no public way to ask."""
    return module._compiled_call_impl is not None


def find_read_features(heads: Sequence[nn.Module], features: Features) -> list[bool]:
    """Returns whether a gradient of any output reaches each map, and the final one."""
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_() for each in (*features.maps, features.final)]
        asked = Features(leaves[:-1], leaves[-1], features.size)
        total = torch.stack([head(asked).float().sum() for head in heads]).sum()
        return [gradient is not None for gradient in torch.autograd.grad(total, leaves, allow_unused=True)]
