"""The plumbing of every task: one backbone, a set of heads, a balance, a fine-tuning strategy."""

import math
from abc import ABC
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import Metric, SumMetric

from candelabra.backbones.adapters import adapt
from candelabra.backbones.backbone import Backbone
from candelabra.balancing.balance import Balance
from candelabra.errors import CandelabraError
from candelabra.finetuning.groups import Groups, MakeOptimizer, make_optimizer, parameter_groups
from candelabra.finetuning.plan import MakeScheduler, Plan, make_plan
from candelabra.finetuning.strategy import FineTuning
from candelabra.heads.head import Head
from candelabra.schedules import cosine
from candelabra.types import Features, Sample, count

ADAMW: MakeOptimizer = partial(AdamW, lr=1e-3, weight_decay=0.01)


class Task(L.LightningModule, ABC):
    """One `step` serves training, validation and test; final tasks say which heads there are.

    Metrics are logged as `<split>/<head>/<metric>`, `val/score` is the mean of the heads' scores. `tables` keeps the
    last values that are no single number (confusion matrices), by the same names.

    Args:
        backbone: images -> features.
        heads: by name; a head learns from `batch[head.target]`.
        balance: the heads' losses -> one loss.
        finetune: which stages learn, when, how fast.
        optimizer: parameter groups, each with its rate as a share `scale` -> optimizer.
        scheduler: optimizer and number of steps -> Lightning's scheduler configurations; null for a constant rate.
        recipe: plain values that rebuild this task, kept in its checkpoints.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Mapping[str, Head],
        balance: Balance,
        finetune: FineTuning,
        optimizer: MakeOptimizer = ADAMW,
        scheduler: MakeScheduler | None = cosine,
    ) -> None:
        super().__init__()
        if finetune.rank:
            adapt(backbone, finetune.rank)
        self.backbone, self.heads, self.balance = backbone, nn.ModuleDict(heads), balance
        self.finetune, self.optimizer, self.scheduler = finetune, optimizer, scheduler
        self.measures = nn.ModuleDict(
            {split: nn.ModuleDict({name: _metrics(head) for name, head in heads.items()}) for split in ("val", "test")}
        )
        self.tables: dict[str, Tensor] = {}
        self.recipe: dict[str, Any] = {}
        self.present: set[str] = set()
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> raw outputs of each head."""
        features: Features = self.backbone(images)
        return {name: head(features) for name, head in self.named_heads()}

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> what people read, by head: probabilities, pixels, class indices."""
        size = (images.shape[-2], images.shape[-1])
        outputs: dict[str, Tensor] = self(images)
        return {name: head.predict(outputs[name], size) for name, head in self.named_heads()}

    def step(self, batch: Sample, split: str) -> Tensor:
        """The joint loss of a batch; training logs losses, the other splits metrics."""
        loss, losses = self.judge(batch, split)
        if split != "train":
            self.log(f"{split}/loss", loss, batch_size=count(batch), sync_dist=True)
        elif (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log_dict({"train/loss": loss, **{f"train/{name}/loss": value for name, value in losses.items()}})
        return loss

    def judge(self, batch: Sample, split: str) -> tuple[Tensor, dict[str, Tensor]]:
        """The joint loss of a batch of images or of features, and each head's; updates metrics but in training."""
        features: Features = batch["features"] if "features" in batch else self.backbone(batch["image"])
        outputs: dict[str, Tensor] = {name: head(features) for name, head in self.named_heads()}
        size = features.size
        losses: dict[str, Tensor] = {}
        counts: dict[str, Tensor] = {}
        for name, head in self.named_heads():
            target = _target(batch, head)
            labelled = head.labelled(target)
            counts[name] = labelled.sum()
            values = head.loss(outputs[name], target, size)
            losses[name] = torch.where(labelled, values, 0.0).sum() / counts[name].clamp(min=1)
            if split != "train" and counts[name] > 0:
                metrics = cast(nn.ModuleDict, cast(nn.ModuleDict, self.measures[split])[name])
                cast(Metric, metrics["count"]).update(counts[name])
                head.measure({key: m for key, m in _items(metrics) if key != "count"}, outputs[name], target, size)
        loss: Tensor = self.balance(losses, counts)
        return loss, losses

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        return self.step(batch, "train")

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        self.step(batch, "val")

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        self.step(batch, "test")

    def on_fit_start(self) -> None:
        self.plan()  # refuses what would never do what it is for

    def on_train_start(self) -> None:
        self._freeze()  # here too: a run resumed in mid-epoch starts no epoch

    def on_train_epoch_start(self) -> None:
        self._freeze()

    def on_train_epoch_end(self) -> None:
        self._share_statistics()

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):  # for that one see `_report`
            super().lr_scheduler_step(scheduler, metric)

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def on_before_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        if self.training:  # still on the CPU, where looking costs no wait for the device
            self.present |= {name for name, head in self.named_heads() if head.labelled(_target(batch, head)).any()}
        return batch

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """A head that no sample of this step had a label for stays as it is: no decay, no momentum."""
        names = list(self.heads)
        seen = torch.tensor([float(name in self.present) for name in names])
        if self.trainer.world_size > 1:
            seen = self.trainer.strategy.reduce(seen.to(self.device), reduce_op="sum")
        for name, ranks in zip(names, seen.tolist(), strict=True):
            if not ranks:
                self.heads[name].zero_grad(set_to_none=True)
        self.present.clear()

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.optimizer, self.parameter_groups())
        if self.scheduler is None:
            return optimizer
        return [optimizer], self.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))

    def parameter_groups(self) -> Groups:
        """All parameters from the first step on, whatever is frozen, grouped by rate; norms and biases do not decay."""
        return parameter_groups(self.backbone, self.finetune, [self.heads, self.balance])

    def plan(self) -> Plan:
        """The rate of each part in each epoch of this run.

        Raises:
            CandelabraError: the run has no end, or the strategy would never do what it is for.
        """
        return make_plan(self.backbone, self.finetune, self.optimizer, self.scheduler, self.epochs, self._epoch_steps())

    @property
    def epochs(self) -> int:
        """How many epochs this run has, also where `trainer.max_steps` ends it.

        Raises:
            CandelabraError: nothing ends it.
        """
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise CandelabraError(
                f"trainer.max_epochs={self.trainer.max_epochs} and trainer.max_steps={self.trainer.max_steps}: such a "
                "run has no end, and rates and thaws are shares of it; set epochs or trainer.max_steps."
            )
        return max(1, math.ceil(steps / self._epoch_steps()))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["candelabra"] = self.recipe

    def _epoch_steps(self) -> int:
        batches = self.trainer.num_training_batches
        return max(1, math.ceil(batches / self.trainer.accumulate_grad_batches)) if math.isfinite(batches) else 1

    def _freeze(self) -> None:
        frozen = self.finetune.frozen_stages(self.current_epoch, self.epochs, len(self.backbone.stages))
        self.backbone.freeze(frozen, self.finetune.keep_statistics, self.finetune.kinds)

    def _share_statistics(self) -> None:
        """Ranks keep statistics of their own until DDP spreads rank 0's in the next forward; this does so now."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def _fall_on_plateau(self, score: float) -> None:
        """Here and not by Lightning, which does it after the epoch's checkpoint: a resumed run would have lost it."""
        schedulers = self.lr_schedulers() or []
        for scheduler in schedulers if isinstance(schedulers, list) else [schedulers]:
            if isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step(score)

    def named_heads(self) -> list[tuple[str, Head]]:
        """The heads with their names, as what they are; torch calls them modules."""
        return [(name, cast(Head, head)) for name, head in self.heads.items()]

    def values(self, split: str) -> tuple[dict[str, Tensor], float | None]:
        """Metrics of a split since the last call, `<head>/<metric>`, and their score; none without a labelled sample.

        What is no single number goes to `tables`.
        """
        measured: dict[str, Tensor] = {}
        scores = []
        for name, head in self.named_heads():
            values: dict[str, float] = {}
            metrics = dict(_items(cast(nn.ModuleDict, cast(nn.ModuleDict, self.measures[split])[name])))
            number = float(metrics["count"].compute())
            for key, metric in metrics.items() if number else ():
                value: Tensor = metric.compute()
                if key != "count" and value.numel() == 1:
                    values[key] = float(value)
                    measured[f"{name}/{key}"] = value.float()
                elif key != "count":
                    self.tables[f"{split}/{name}/{key}"] = value.cpu()
            for metric in metrics.values():
                metric.reset()
            if number:
                scores.append(head.score(values))
        return measured, sum(scores) / len(scores) if scores else None

    def _report(self, split: str) -> None:
        measured, score = self.values(split)
        self.log_dict({f"{split}/{name}": value for name, value in measured.items()})
        if score is not None:
            self.log(f"{split}/score", score, prog_bar=split == "val")
            if self.trainer.state.fn == TrainerFn.FITTING:
                self._fall_on_plateau(score)


def _metrics(head: Head) -> nn.ModuleDict:
    return nn.ModuleDict({"count": SumMetric(), **head.metrics()})


def _items(metrics: nn.ModuleDict) -> list[tuple[str, Metric]]:
    return [(key, cast(Metric, metric)) for key, metric in metrics.items()]


def _target(batch: Sample, head: Head) -> Tensor:
    return cast(Tensor, cast(dict[str, Any], batch)[head.target])
