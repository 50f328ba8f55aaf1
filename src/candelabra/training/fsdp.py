"""Fully sharded training (FSDP2): weights, gradients and optimizer state divided among processes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from candelabra.errors import CandelabraError
from candelabra.optim.schedule_plan import is_frozen_run
from candelabra.tasks.run_length import count_epochs
from candelabra.tasks.task import Task
from candelabra.training.checkpointing import BEST
from candelabra.training.peers import watch_peers

_STEPS = ("training_step", "validation_step", "test_step")


class FsdpStrategy(ModelParallelStrategy):
    """Lightning's FSDP2 (Zhao et al. 2023), over all processes; checkpoints are whole, as those of one process.

    A block of the backbone is gathered while it is used; heads, and what is left of the backbone, for a whole step.
    Parameters stay those that they were, so rates by stage hold.

    Args:
        minutes: timeout of communication between processes.
        backend: nccl or gloo; null: nccl on GPUs, else gloo.
        smallest: number of parameters from which a block is sharded by itself.
    """

    def __init__(self, minutes: float = 10.0, backend: str | None = None, smallest: int = 1_000_000) -> None:
        if minutes <= 0 or smallest < 1:
            raise CandelabraError(
                f"trainer.strategy.minutes={minutes} must be above 0, trainer.strategy.smallest={smallest} at least 1."
            )
        super().__init__(
            tensor_parallel_size=1,
            save_distributed_checkpoint=False,
            process_group_backend=backend,
            timeout=timedelta(minutes=minutes),
        )
        self.smallest = smallest

    def setup_environment(self) -> None:
        watch_peers(self.launcher)
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def setup(self, trainer: L.Trainer) -> None:
        task = self.lightning_module
        if not isinstance(task, Task):
            raise CandelabraError("trainer=fsdp divides a task, and a probe has nothing to divide; choose trainer=ddp.")
        if not isinstance(task, FSDPModule):
            check_fsdp(task, trainer)
            if self._layer_sync and trainer.state.fn == TrainerFn.FITTING:
                self._layer_sync.apply(task)
            task.to(self.root_device, memory_format=torch.contiguous_format)  # FSDP2 requires contiguous parameters
            shard_model(task, self.device_mesh["data_parallel"], self.smallest)
            task.configure_model = _do_nothing  # type: ignore[method-assign]  # Lightning insists that a task has one
        super().setup(trainer)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Loads weights alone from the best checkpoint, which has nothing else; Lightning would ask for more."""
        optimizers = self.optimizers
        self.optimizers = [] if Path(checkpoint_path).stem == BEST else optimizers
        try:
            return super().load_checkpoint(checkpoint_path, weights_only)
        finally:
            self.optimizers = optimizers


def _do_nothing() -> None:
    """`configure_model` of a task that is sharded already."""


def check_fsdp(task: Task, trainer: L.Trainer) -> None:
    """Refuses configurations that FSDP2 cannot train.

    Raises:
        CandelabraError: something needs the whole weights, or the trainable parameters change in a later epoch; FSDP2
            fixes them when it wraps a module.
    """
    averaged = [each for each in trainer.callbacks if isinstance(each, L.pytorch.callbacks.WeightAveraging)]  # type: ignore[attr-defined]
    fit = trainer.state.fn == TrainerFn.FITTING
    reasons = {
        "balance weighs gradients or looks at a batch twice": task.balance.needs_gradients
        or task.balance.needs_losses_after_step,
        "ema averages weights": bool(averaged),
        "finetune thaws stages as it goes": fit and not task.freeze_if_constant(),
        "finetune leaves nothing of the backbone to divide": fit
        and is_frozen_run(task.finetune, count_epochs(trainer), len(task.backbone.stages)),
    }
    for reason, there in reasons.items():
        if there:
            raise CandelabraError(
                f"This {reason}, which goes with trainer=ddp, not with weights divided by trainer=fsdp."
            )


def shard_model(task: Task, mesh: DeviceMesh, smallest: int) -> None:
    """Shards a task in place: large blocks of the backbone, then the backbone, then the rest."""
    within: set[nn.Module] = set()  # modules of sharded blocks: FSDP2 must not shard a module inside a sharded one
    for module in list(task.backbone.modules()):
        blocks = module.children() if isinstance(module, nn.Sequential | nn.ModuleList) else ()
        for block in blocks:
            large = sum(p.numel() for p in block.parameters()) >= smallest
            if large and block not in within and not isinstance(block, nn.Sequential | nn.ModuleList):
                within |= set(block.modules())
                fully_shard(block, mesh=mesh)
    fully_shard(task.backbone, mesh=mesh)
    fully_shard(task, mesh=mesh)
    for name in _STEPS:
        register_fsdp_forward_method(task, name)
