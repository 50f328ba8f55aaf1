"""Data parallel training (DDP) of a task."""

from datetime import timedelta

from lightning.pytorch.plugins import LayerSync
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from candelabra.backbones.sync_batchnorm import convert_sync_batchnorm
from candelabra.errors import CandelabraError
from candelabra.tasks.task import Task
from candelabra.training.peers import watch_peers


class DdpStrategy(DDPStrategy):
    """Lightning's DDP, which learns from the task whether the same parameters learn in every step.

    Where they do, what is frozen is left out of it, and its graph is static: nothing is looked for in a step and
    nothing sent in vain. Where stages thaw, all is wrapped; there, where batches are accumulated, and under balances
    of gradients, what takes no part is looked for in each step.

    Args:
        minutes: timeout of communication between processes.
        backend: nccl or gloo; null: nccl on GPUs, else gloo.
        bucket: megabytes of gradients that are reduced together.
    """

    def __init__(self, minutes: float = 10.0, backend: str | None = None, bucket: float = 25.0) -> None:
        if minutes <= 0 or bucket <= 0:
            raise CandelabraError(
                f"trainer.strategy.minutes={minutes} and trainer.strategy.bucket={bucket} must be above 0."
            )
        super().__init__(
            timeout=timedelta(minutes=minutes),
            process_group_backend=backend,
            gradient_as_bucket_view=True,
            bucket_cap_mb=bucket,
        )

    def setup_environment(self) -> None:
        watch_peers(self.launcher)
        super().setup_environment()

    def configure_ddp(self) -> None:
        task = self.lightning_module
        static = isinstance(task, Task) and task.freeze_if_constant()
        if isinstance(task, Task) and static:  # a static graph fails with no_sync, which accumulation uses
            static = task.trainer.accumulate_grad_batches == 1 and not task.balance.needs_gradients
        self._ddp_kwargs |= {"static_graph": static, "find_unused_parameters": not static}
        super().configure_ddp()


class SyncBatchNormPlugin(LayerSync):
    """Gives batch normalisation the statistics of all processes, see `candelabra.backbones.sync_batchnorm`."""

    def apply(self, model: nn.Module) -> nn.Module:
        convert_sync_batchnorm(model)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        return model  # in evaluation they do as they did
