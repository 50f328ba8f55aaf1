"""Trains a grid of heads at once: one copy for each rate and weight decay, all on the same features."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from candelabra.data.transforms.colour_jitter import jitter_batch
from candelabra.errors import CandelabraError
from candelabra.tasks.run_length import is_logged_step
from candelabra.tasks.task import Task
from candelabra.types import Sample

_COMPARISONS = 20  # how often in a run the copies are compared on validation


@dataclass(frozen=True)
class ProbeTrial:
    """One copy of the grid.

    Args:
        rate: learning rate.
        decay: weight decay.
        score: best validation score, in [0, 1]; -inf if none was measured.
        loss: validation loss in that epoch.
        epoch: counted from 0.
    """

    rate: float
    decay: float
    score: float = -math.inf
    loss: float = math.inf
    epoch: int = 0

    @property
    def rank(self) -> tuple[float, float]:
        """Sort key: higher is better; of equal scores the lower loss."""
        return self.score, -self.loss


class ProbeGrid(L.LightningModule):
    """Trains copies of a task's heads at once, and gives the task the weights with the best validation score.

    The copies share the backbone and one optimizer, which has parameter groups for each copy. The checkpoint is that of
    the task.

    Args:
        task: with `finetune=probe`.

    Attributes:
        trials: the best result of each copy so far.

    Raises:
        CandelabraError: the task has another strategy.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        if not task.finetune.replaces_training:
            raise CandelabraError("A grid needs a task with finetune=probe.")
        self.task = task
        self.trials = [ProbeTrial(rate, decay) for rate, decay in task.finetune.grid]
        shared = {id(task.backbone): task.backbone, id(task.recipe): task.recipe}
        self.copies = [copy.deepcopy(task, dict(shared)) for _ in self.trials]
        # Register the heads only: Lightning switches all registered modules between training and evaluation at each
        # validation, and doing so for the shared backbone once per copy takes longer than training the heads.
        self.parts = nn.ModuleList(nn.ModuleList([one.heads, one.balance, one.split_metrics]) for one in self.copies)
        self.best = ProbeTrial(0.0, 0.0)

    def setup(self, stage: str) -> None:
        for one in self.copies:
            one.trainer = self.trainer
            one.to(self.trainer.strategy.root_device)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        batch = self._add_features(batch)
        losses = torch.stack([one.training_step(batch, batch_idx) for one in self.copies])
        if is_logged_step(self.trainer):
            self.log("train/loss", losses.detach().min())
        return losses.sum()  # no copy reaches another's weights

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        if not self._is_compared_now():
            return
        batch = self._add_features(batch)
        for one in self.copies:
            one.validation_step(batch, batch_idx)

    def on_train_start(self) -> None:
        self._freeze()

    def on_train_epoch_start(self) -> None:
        self._freeze()

    def on_validation_epoch_end(self) -> None:
        if not self._is_compared_now():
            return
        for position, one in enumerate(self.copies):
            before = self.trials[position]
            measured = one.metrics_of("val").compute(one.named_heads())
            score, loss = measured.score, measured.joint_loss(one.balance.constant)
            if score is None or loss is None:
                continue
            now = ProbeTrial(before.rate, before.decay, score, float(loss), self.current_epoch)
            self.trials[position] = max(before, now, key=lambda trial: trial.rank)
            if now.rank > self.best.rank:
                self.best = now
                measured.calibrate(one.named_heads())
                self.task.heads.load_state_dict(one.heads.state_dict())
                self.task.balance.load_state_dict(one.balance.state_dict())
        if math.isfinite(self.best.score):
            self.log("val/score", self.best.score, prog_bar=True)
            self.log("val/loss", self.best.loss)

    def on_before_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        first, *others = self.copies
        first.training = self.training
        seen = first.on_before_batch_transfer(batch, dataloader_idx)
        for one in others:
            one.labelled_heads |= first.labelled_heads
        return seen

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        for one in self.copies:
            one.on_before_optimizer_step(optimizer)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips each copy by its own norm, as in a run of its own."""
        for one in self.copies if gradient_clip_val else ():
            heads = [*one.heads.parameters(), *one.balance.parameters()]
            if gradient_clip_algorithm == "value":
                nn.utils.clip_grad_value_(heads, float(gradient_clip_val or 0))
            else:
                nn.utils.clip_grad_norm_(heads, float(gradient_clip_val or 0))

    def configure_optimizers(self) -> Any:
        groups = []
        for position, (trial, one) in enumerate(zip(self.trials, self.copies, strict=True)):
            for group in one.parameter_groups():
                name = str(group["name"])
                if name.startswith("heads"):
                    decay = group.get("weight_decay", trial.decay)
                    groups.append(
                        {
                            "name": f"{position}/{name}",
                            "params": group["params"],
                            "lr": trial.rate,
                            "weight_decay": decay,
                        }
                    )
        optimizer = self.task.optimizer(groups)
        if self.task.scheduler is None:
            return optimizer
        schedulers = self.task.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        # A plateau of one copy's score must not change the rates of the others: that schedule is left out, its warm-up
        # is not.
        return [optimizer], [each for each in schedulers if "reduce_on_plateau" not in each]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["state_dict"] = self.task.state_dict()
        checkpoint["candelabra"] = self.task.recipe

    def _freeze(self) -> None:
        self.task.backbone.freeze(len(self.task.backbone.stages))

    def _add_features(self, batch: Sample) -> Sample:
        """Runs the backbone once for all copies, unless the batch has cached features."""
        if "features" in batch:
            return batch
        batch = jitter_batch(batch)
        return {**batch, "features": self.task.backbone(batch["image"])}

    def _is_compared_now(self) -> bool:
        ended_by_steps = self.trainer.max_steps != -1
        epochs = max(1, self.trainer.max_epochs or 1)
        every = 1 if ended_by_steps else max(1, epochs // _COMPARISONS)
        done = self.current_epoch + 1
        return done % every == 0 or done >= epochs or self.trainer.should_stop
