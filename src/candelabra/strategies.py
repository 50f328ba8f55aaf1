"""How several processes share a step, as a task needs it; and what is said when one of them is gone."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import torch
from lightning.pytorch.plugins import LayerSync
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch import nn

from candelabra.backbones.synced import sync
from candelabra.errors import CandelabraError, Interrupted
from candelabra.tasks.task import Task

POLL = 0.2  # seconds; Lightning looks every 5, and then ends all without a word


class Ddp(DDPStrategy):
    """Lightning's DDP, which learns from the task whether the same parameters learn in every step.

    Where they do, what is frozen is left out of it, and its graph is static: nothing is looked for in a step and
    nothing sent in vain. Where stages thaw, all is wrapped; there, and where batches are accumulated, what takes no
    part is looked for in each step.

    Args:
        minutes: that a process waits for the others before it gives up.
        backend: nccl or gloo; null: nccl on GPUs, else gloo.
        bucket: megabytes of gradients that are sent together, while the others are still computed.
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
        if isinstance(self.launcher, _SubprocessScriptLauncher) and self.launcher.procs:
            Watch(self.launcher.procs).start()
        super().setup_environment()

    def configure_ddp(self) -> None:
        task = self.lightning_module
        steady = isinstance(task, Task) and task.settle()
        # torch's static graph fails where a step's first batch is not sent (no_sync)
        static = steady and task.trainer.accumulate_grad_batches == 1
        self._ddp_kwargs |= {"static_graph": static, "find_unused_parameters": not static}
        super().configure_ddp()


class Watch(threading.Thread):
    """Says which process ended before its time, and how; Lightning then ends the others.

    Args:
        processes: those of ranks 1, 2, ...
    """

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        super().__init__(daemon=True)
        self.processes = processes

    def run(self) -> None:
        while not any(self.codes()):
            if all(code == 0 for code in self.codes()):
                return
            time.sleep(POLL)
        for rank, code in enumerate(self.codes(), 1):
            if code:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
                print(f"rank {rank} {how}; the others end too", file=sys.stderr, flush=True)

    def codes(self) -> list[int | None]:
        """Of each process, how it ended; none where it has not."""
        return [process.poll() for process in self.processes]


class SyncedNorms(LayerSync):
    """Gives batch normalisation the statistics of all processes, see `candelabra.backbones.synced`."""

    def apply(self, model: nn.Module) -> nn.Module:
        sync(model)
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        return model  # in evaluation they do as they did


def lost(error: RuntimeError, rank: int, step: int, folder: Path) -> Interrupted | None:
    """What to say where an error means that another process is gone; none where it means something else."""
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    signs = ("gloo", "NCCL", "closed by peer", "reset by peer", "Socket", "TCPStore", "process group")
    if not isinstance(error, torch.distributed.DistError) and not any(sign in words for sign in signs):
        return None
    return Interrupted(
        f"rank {rank} lost another one at step {step}, which is gone or too late ({words[-120:]}); "
        f"resume={folder} goes on from the newest checkpoint"
    )
