"""The plumbing of every task: one backbone, a set of heads, a balance, a fine-tuning strategy."""

import math
from abc import ABC
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, cast

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.lora import add_lora
from candelabra.balancing.balance import BalanceFactory, GradientBalance, PostStepBalance, StepPosition
from candelabra.balancing.gradients import SharedGradients, detach_features
from candelabra.data.targets import Target
from candelabra.errors import CandelabraError
from candelabra.finetuning.strategy import FineTuning
from candelabra.heads.head import Head
from candelabra.optim.parameter_groups import OptimizerFactory, ParameterGroups, make_optimizer, make_parameter_groups
from candelabra.optim.schedule_plan import SchedulePlan, SchedulerFactory, make_schedule_plan
from candelabra.optim.schedulers import cosine
from candelabra.tasks.masked_losses import HeadLosses, compute_losses, find_labelled_rows, share_statistics
from candelabra.tasks.metrics import HeadMetrics
from candelabra.tasks.mixup import check_blendable, compute_blend_shares, transform_batch
from candelabra.types import Features, Sample

DEFAULT_OPTIMIZER: OptimizerFactory = partial(AdamW, lr=1e-3, weight_decay=0.01)


class BalanceState(NamedTuple):
    """What a balance did in the last step.

    Args:
        present: (m,) bool, the heads that had a label on some rank.
        weights: (m,) factors of the losses, or of the gradients on the backbone.
        gramian: (m, m) inner products of these gradients; none for a balance of losses.
    """

    present: Tensor
    weights: Tensor
    gramian: Tensor | None


class Task(L.LightningModule, ABC):
    """One `step` serves training, validation and test; final tasks say which heads there are.

    Metrics are logged as `<split>/<head>/<metric>`, `val/score` is the mean of the heads' scores, `val/loss` the sum of
    their losses under the balance's constant factors. `tables` keeps the last values that are no single number
    (confusion matrices), by the same names.

    Args:
        backbone: images -> features.
        heads: by name; a head learns from `batch[head.target]`.
        balance: names of the heads -> what makes their losses one.
        finetune: which stages learn, when, how fast.
        optimizer: parameter groups, each with its rate as a share `scale` -> optimizer.
        scheduler: optimizer and number of steps -> Lightning's scheduler configurations; null for a constant rate.
        recipe: plain values that rebuild this task, kept in its checkpoints.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Mapping[str, Head],
        balance: BalanceFactory,
        finetune: FineTuning,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = cosine,
    ) -> None:
        super().__init__()
        if finetune.rank:
            add_lora(backbone, finetune.rank)
        self.backbone, self.heads, self.balance = backbone, nn.ModuleDict(heads), balance(list(heads))
        self.finetune, self.optimizer, self.scheduler = finetune, optimizer, scheduler
        self.measures = nn.ModuleDict({split: HeadMetrics(heads) for split in ("val", "test")})
        self.tables: dict[str, Tensor] = {}
        self.recipe: dict[str, Any] = {}
        self.present: set[str] = set()
        self.batch: Sample | None = None
        self.balanced: BalanceState | None = None
        self.schedule_plan: SchedulePlan | None = None
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
        if split == "train" and (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            present = self.balanced.present.tolist() if self.balanced else []  # an absent head keeps its last loss
            each = {f"train/{name}/loss": losses[name] for name, there in zip(losses, present, strict=True) if there}
            self.log_dict({"train/loss": loss, **each})
        return loss

    def judge(self, batch: Sample, split: str) -> tuple[Tensor, dict[str, Tensor]]:
        """The joint loss of a batch of images or of features, and each head's; updates metrics but in training."""
        features = self._features(batch)
        if split == "train" and isinstance(self.balance, GradientBalance):
            return self._weigh_gradients(batch, features)
        measures = None if split == "train" else cast(HeadMetrics, self.measures[split])
        losses = self._losses(batch, features, measures)
        if split == "train":
            loss: Tensor = self.balance(losses.vector, losses.counts, self._moment)
            self.balanced = BalanceState(losses.counts > 0, self.balance.weights(), None)
            return loss, losses.each
        return (self.balance.constant * losses.vector).sum(), losses.each

    def _features(self, batch: Sample) -> Features:
        found: Features = batch["features"] if "features" in batch else self.backbone(batch["image"])
        return found

    def _losses(self, batch: Sample, features: Features, measures: HeadMetrics | None = None) -> HeadLosses:
        rows = batch["rows"] if "rows" in batch else find_labelled_rows(batch, self.named_heads())
        reduce = self._sum if self.training and self._ranks > 1 else None
        return compute_losses(self.named_heads(), batch, features, rows, measures, reduce)

    @torch.no_grad()
    def _look_back(self, balance: PostStepBalance, batch: Sample) -> None:
        """Measures the batch once more; running statistics have seen it already and stay."""
        buffers = [*self.backbone.buffers(), *self.heads.buffers()]
        kept = [buffer.clone() for buffer in buffers]
        with self.trainer.precision_plugin.train_step_context():
            losses = self._losses(batch, self._features(batch))
        balance.look_back(losses.vector, losses.counts)
        for buffer, value in zip(buffers, kept, strict=True):
            buffer.copy_(value)

    def _weigh_gradients(self, batch: Sample, features: Features) -> tuple[Tensor, dict[str, Tensor]]:
        cut = detach_features(features)
        losses = self._losses(batch, cut)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None) if self._trainer else None
        scale = float(scaler.get_scale()) if scaler else 1.0
        gradients = SharedGradients(
            list(losses.each.values()), features, cut, list(self.backbone.parameters()), self._mean, scale
        )
        vector, counts = losses.vector, losses.counts
        for_heads, for_backbone = self.balance(gradients.gramian, vector.detach(), counts, self._moment)
        self.balanced = BalanceState(counts > 0, for_backbone, gradients.gramian)
        return (for_heads * vector).sum() + gradients.surrogate(for_backbone), losses.each

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        self.batch = transform_batch(batch, {head.target: head.target_info for _, head in self.named_heads()})
        return self.step(self.batch, "train")

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if isinstance(self.balance, PostStepBalance) and self.batch is not None:
            self._look_back(self.balance, self.batch)
        self.batch = None

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        self.step(batch, "val")

    def test_step(self, batch: Sample, batch_idx: int) -> None:
        self.step(batch, "test")

    def on_fit_start(self) -> None:
        self.schedule_plan = self.plan()  # refuses a strategy that would never thaw a stage

    def on_train_start(self) -> None:
        self._freeze()  # here too: a run resumed in mid-epoch starts no epoch

    def on_train_epoch_start(self) -> None:
        self._freeze()

    def on_after_backward(self) -> None:
        if self._ranks > 1 and self.batch is not None:
            share_statistics(dict(self.named_heads()), self.batch, self._sum)

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
        heads = self.named_heads()  # the batch is still on the CPU, where looking costs no wait for the device
        if "blend" in batch:
            check_blendable(dict(heads))
            rows, batch["shares"] = compute_blend_shares(batch, heads)
        else:
            rows = find_labelled_rows(batch, heads)
        if self.training:
            self.present |= {name for name, which in rows.items() if len(which)}
        return {**batch, "rows": rows}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """A head that no sample of this step had a label for stays as it is: no decay, no momentum."""
        names = list(self.heads)
        seen = torch.tensor([float(name in self.present) for name in names])
        if self._ranks > 1:
            seen = self._sum(seen.to(self.device))
        for name, ranks in zip(names, seen.tolist(), strict=True):
            if not ranks:
                self.heads[name].zero_grad(set_to_none=True)
        if not seen.any():
            self.backbone.zero_grad(set_to_none=True)
        self.present.clear()

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.optimizer, self.parameter_groups())
        if self.scheduler is None:
            return optimizer
        return [optimizer], self.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))

    def parameter_groups(self) -> ParameterGroups:
        """All parameters from the first step on, whatever is frozen, grouped by rate; norms and biases do not decay."""
        return make_parameter_groups(self.backbone, self.finetune, [self.heads, self.balance])

    def plan(self) -> SchedulePlan:
        """The rate of each part in each epoch of this run.

        Raises:
            CandelabraError: the run has no end, or the strategy would never do what it is for.
        """
        return make_schedule_plan(
            self.backbone, self.finetune, self.optimizer, self.scheduler, self.epochs, self._epoch_steps()
        )

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

    def settle(self) -> bool:
        """Whether the same parameters learn in all epochs; those that do not are then frozen at once."""
        stages = len(self.backbone.stages)
        if len({self.finetune.frozen_stages(epoch, self.epochs, stages) for epoch in range(self.epochs)}) > 1:
            return False
        self._freeze()
        return True

    def _share_statistics(self) -> None:
        """Broadcasts rank 0's buffers at the end of an epoch.

        DDP does so in the next training forward. Without a validation epoch each rank would end the epoch with running
        statistics of its own.
        """
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

    @property
    def head_targets(self) -> dict[str, Target]:
        """For each head, the target it learns, as the data set describes it."""
        return {name: head.target_info for name, head in self.named_heads()}

    def values(self, split: str) -> tuple[dict[str, Tensor], float | None]:
        """Metrics of a split since the last call, `<head>/<metric>`, and their score; none without a labelled sample.

        What is no single number goes to `tables`.
        """
        numbers, tables, scores = cast(HeadMetrics, self.measures[split]).compute(dict(self.named_heads()))
        self.tables |= {f"{split}/{name}": table for name, table in tables.items()}
        return numbers, sum(scores.values()) / len(scores) if scores else None

    def joint(self, numbers: Mapping[str, Tensor]) -> Tensor | None:
        """The sum of the losses in what `values` gave, under the balance's constant factors; none without a label."""
        factors = zip(self.heads, self.balance.constant.tolist(), strict=True)
        losses = [factor * numbers[f"{name}/loss"] for name, factor in factors if f"{name}/loss" in numbers]
        return torch.stack(losses).sum() if losses else None

    @property
    def _moment(self) -> StepPosition:
        return StepPosition(self.global_step, self.current_epoch) if self._trainer else StepPosition()

    @property
    def _ranks(self) -> int:
        return self.trainer.world_size if self._trainer else 1

    def _sum(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.trainer.strategy.reduce(values, reduce_op="sum"))

    def _mean(self, values: Tensor) -> Tensor:
        return (
            cast(Tensor, self.trainer.strategy.reduce(values.clone(), reduce_op="mean")) if self._ranks > 1 else values
        )

    def _report(self, split: str) -> None:
        measured, score = self.values(split)
        self.log_dict({f"{split}/{name}": value for name, value in measured.items()})
        loss = self.joint(measured)
        if loss is not None:
            self.log(f"{split}/loss", loss)
        fitting = self.trainer.state.fn == TrainerFn.FITTING
        if score is not None:
            self.log(f"{split}/score", score, prog_bar=split == "val")
            if fitting:
                self._fall_on_plateau(score)
        elif fitting and not self.trainer.sanity_checking:
            raise CandelabraError(
                "No label of validation could be measured, so there is nothing to choose the best checkpoint by: are "
                "both points of data.normalizer seen in some image? task.heads.keypoints.normalizer=image needs none."
            )
