"""The norm of the gradient."""

import lightning as L
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from candelabra.tasks.run_length import is_written_step
from candelabra.tasks.task import Task


class GradientNormLog(L.Callback):
    """Logs `gradient_norm`, of all parameters and before clipping, at the steps that are logged."""

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if is_written_step(trainer) and isinstance(pl_module, Task):
            found = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
            pl_module.step_log.add(trainer, {"gradient_norm": get_total_norm(found)})
