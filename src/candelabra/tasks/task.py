"""The LightningModule of every task: one backbone, a set of heads, a balance, a fine-tuning strategy."""

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.balancing.balance import BalanceFactory, StepPosition
from candelabra.balancing.gradients import detach_features
from candelabra.data.targets import Target
from candelabra.finetuning.strategy import FineTuning
from candelabra.heads.head import Head
from candelabra.optim import schedulers
from candelabra.optim.parameter_groups import (
    DEFAULT_OPTIMIZER,
    OptimizerFactory,
    ParameterGroups,
    make_optimizer,
    make_parameter_groups,
)
from candelabra.optim.schedule_plan import SchedulePlan, SchedulerFactory, make_schedule_plan
from candelabra.tasks.forward_pass import resume_backbone, run_backbone
from candelabra.tasks.gradient_weighing import BalanceState, check_losses, drop_gradients, measure_gradients
from candelabra.tasks.image_corruption import ImageChange, ImageCorruption
from candelabra.tasks.masked_losses import HeadLosses, find_labels, masked_losses
from candelabra.tasks.metrics import HeadMetrics, check_measured, summarize_heads
from candelabra.tasks.mixup import transform_batch
from candelabra.tasks.original_metrics import measure_batch
from candelabra.tasks.ranks import count_ranks, make_rank_sum
from candelabra.tasks.run_length import count_epoch_steps, count_epochs, is_logged_step
from candelabra.tasks.statistics import average_statistics, broadcast_buffers, observe_labels, preserve_buffers
from candelabra.tasks.step_log import StepLog
from candelabra.types import Features, Sample


class Task(L.LightningModule, ABC):
    """Trains, validates and tests a set of heads on one backbone; subclasses decide which heads.

    Metrics are `<split>/<head>/<metric>`; `val/score` is the mean of the heads' scores, `val/loss` their weighted loss.

    Args:
        backbone: images -> features.
        heads: by name; a head learns from `batch[head.target]`.
        balance: names of the heads -> how their losses become one.
        finetune: which stages of the backbone learn, when, and at which rate.
        optimizer: parameter groups, each with its share `scale` of the learning rate -> optimizer.
        scheduler: optimizer, number of steps -> Lightning's scheduler configurations; null for a constant rate.

    Attributes:
        recipe: plain values that rebuild this task; saved in checkpoints.
        tables: last values of the metrics that are not one number (confusion matrices), by `<split>/<head>/<metric>`.
    """

    def __init__(
        self,
        backbone: Backbone,
        heads: Mapping[str, Head],
        balance: BalanceFactory,
        finetune: FineTuning,
        optimizer: OptimizerFactory = DEFAULT_OPTIMIZER,
        scheduler: SchedulerFactory | None = schedulers.cosine,
    ) -> None:
        super().__init__()
        finetune.prepare(backbone)
        self.backbone, self.heads, self.balance = backbone, nn.ModuleDict(heads), balance(list(heads))
        check_losses(self.balance, heads)
        self.finetune, self.optimizer, self.scheduler = finetune, optimizer, scheduler
        self.split_metrics = nn.ModuleDict({split: HeadMetrics(heads) for split in ("val", "test")})
        self.tables: dict[str, Tensor] = {}
        self.recipe: dict[str, Any] = {}
        self.left_out: tuple[str, ...] = ()  # optional heads whose targets the data do not label
        self.image_change: ImageChange = ImageCorruption()  # before the backbone; heads learn of images as they were
        self.labelled_heads: set[str] = set()  # heads with a label in the batches of this optimizer step
        self.batch: Sample | None = None
        self.balance_state: BalanceState | None = None
        self.step_log = StepLog()
        self.schedule_plan: SchedulePlan | None = None
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> raw outputs of each head."""
        features: Features = self.backbone(images)
        return {name: head(features) for name, head in self.named_heads()}

    def predictions(self, images: Tensor) -> dict[str, Tensor]:
        """Images (N, 3, H, W) -> what people are shown of each head: probabilities, pixels, class indices."""
        size = (images.shape[-2], images.shape[-1])
        outputs: dict[str, Tensor] = self(images)
        return {name: head.select_certain(head.predict(outputs[name], size)) for name, head in self.named_heads()}

    def named_heads(self) -> list[tuple[str, Head]]:
        """Names and heads, typed; `nn.ModuleDict` only knows modules."""
        return [(name, cast(Head, head)) for name, head in self.heads.items()]

    @property
    def head_targets(self) -> dict[str, Target]:
        """For each head, what it predicts: mostly the target it learns, as the data set describes it."""
        return {name: head.predicted_target for name, head in self.named_heads()}

    def extract_features(self, batch: Sample) -> Features:
        """The features of a batch: cached ones, or those of its images as `image_change` makes them."""
        cached: Features | None = batch.get("features")
        if cached is None:
            return run_backbone(self.backbone, self.image_change(batch["image"], self.training))
        return cached if len(cached.maps) == len(self.backbone.stages) else resume_backbone(self.backbone, cached)

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        heads, sum_ranks = self.named_heads(), self._sum_ranks
        self.batch = batch = transform_batch(batch, {head.target: head.target_info for _, head in heads})
        features = self.extract_features(batch)
        observe_labels(heads, batch, sum_ranks)
        inputs = detach_features(features) if self.balance.needs_gradients else features
        sums = masked_losses(heads, batch, inputs, distributed=sum_ranks is not None)
        self._log_losses(loss := self._join_losses(sums.average(sum_ranks), features, inputs), sums.counts)
        return loss

    def validation_step(self, batch: Sample, batch_idx: int) -> None:
        masked_losses(self.named_heads(), batch, self.extract_features(batch), self.metrics_of("val"))

    def test_step(self, batch: Sample, batch_idx: int) -> dict[str, Tensor]:
        return measure_batch(self.named_heads(), batch, self.extract_features(batch), self.metrics_of("test"))

    def predict_step(self, batch: Sample, batch_idx: int) -> dict[str, Tensor]:
        return self.predictions(batch["image"])

    def _join_losses(self, losses: HeadLosses, features: Features, inputs: Features) -> Tensor:
        """The loss that is minimised; `inputs` are the features as the heads read them."""
        wanted = self.balance.needs_gradients
        gradients = measure_gradients(losses, features, inputs, self.backbone, self._trainer) if wanted else None
        position = StepPosition(self.global_step, self.current_epoch) if self._trainer else StepPosition()
        loss = self.balance.join(losses.vector, losses.counts, position, gradients)
        each, gramian = losses.detach(), gradients.gramian if gradients else None
        self.balance_state = BalanceState(each, losses.counts, self.balance.weights(), gramian)
        return loss

    def _log_losses(self, loss: Tensor, counts: Mapping[str, float]) -> None:
        if not self._trainer or self.trainer.lightning_module is not self:
            return  # copies in a grid of probes do not log
        if is_logged_step(self.trainer) and self.balance_state:
            present = self.balance_state.counts.tolist() if self._sum_ranks else counts.values()  # no wait for a GPU
            pairs = zip(self.named_heads(), self.balance_state.losses.values(), present, strict=True)
            each = {f"train/{name}/loss": value for (name, head), value, there in pairs if there and head.has_loss}
            self.step_log.add(self.trainer, {"train/loss": loss, **each})

    def _log_step(self, *_: Any) -> None:
        if self._trainer is not None:
            self.step_log.write(self._trainer)

    @torch.no_grad()
    def _evaluate_again(self, *_: Any) -> None:
        """Gives the balance the losses of the batch after the step; running statistics stay as they are."""
        assert self.batch is not None
        with preserve_buffers(self.backbone, self.heads), self.trainer.precision_plugin.train_step_context():
            features, distributed = self.extract_features(self.batch), self._sum_ranks is not None
            sums = masked_losses(self.named_heads(), self.batch, features, distributed=distributed)
        losses = sums.average(self._sum_ranks)
        self.balance.after_step(losses.vector, losses.counts)

    @property
    def _sum_ranks(self) -> Callable[[Tensor], Tensor] | None:
        return make_rank_sum(self) if self._trainer is not None else None

    def on_fit_start(self) -> None:
        self.schedule_plan = self.plan()  # refuses a strategy that would never do what it is for

    def on_train_start(self) -> None:
        self._freeze()  # a run that is resumed within an epoch does not call on_train_epoch_start

    on_train_epoch_start = on_train_start

    def on_before_batch_transfer(self, batch: Sample, dataloader_idx: int) -> Sample:
        batch = find_labels(batch, self.named_heads())  # on the CPU still: no wait for the device
        self.labelled_heads |= {name for name, rows in batch["rows"].items() if self.training and rows.shape[0]}
        return batch

    def transfer_batch_to_device(self, batch: Sample, device: torch.device, dataloader_idx: int) -> Sample:
        if device.type == "cpu":  # where it is; Lightning would walk through it, 0.1 ms a step
            return batch
        moved: Sample = super().transfer_batch_to_device(batch, device, dataloader_idx)
        return moved

    def on_after_backward(self) -> None:
        if self._sum_ranks and self.batch is not None:
            average_statistics(self.named_heads(), self.batch, self._sum_ranks)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Drops the gradients of heads without a label in this step: no weight decay, no momentum moves them."""
        ranks = count_ranks(self, [name in self.labelled_heads for name in self.heads])
        drop_gradients(self.backbone, self.heads.values(), ranks)
        self.labelled_heads.clear()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batch = None

    def on_train_epoch_end(self) -> None:
        self.step_log.clear()
        if self.trainer.world_size > 1:
            broadcast_buffers(self)

    def on_validation_epoch_end(self) -> None:
        self._report("val")

    def on_test_epoch_end(self) -> None:
        self._report("test")

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.optimizer, self.parameter_groups())
        optimizer.register_step_post_hook(self._log_step)  # on_train_batch_end would come after checkpoints are saved
        if self.balance.needs_losses_after_step:
            optimizer.register_step_post_hook(self._evaluate_again)
        if self.scheduler is None:
            return optimizer
        entries = self.scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return [optimizer], schedulers.turn_plateaus(entries, summarize_heads(self.named_heads()))

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if not schedulers.has_metric(scheduler):  # see `_report`
            super().lr_scheduler_step(scheduler, metric)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["candelabra"] = self.recipe

    def parameter_groups(self) -> ParameterGroups:
        """All parameters, frozen ones too, grouped by learning rate; norms and biases have no weight decay."""
        return make_parameter_groups(self.backbone, self.finetune, [self.heads, self.balance])

    def plan(self) -> SchedulePlan:
        """The learning rate of each part in each epoch of this run.

        Raises:
            CandelabraError: the run has no end, or the strategy would never do what it is for.
        """
        length = count_epochs(self.trainer), count_epoch_steps(self.trainer)
        return make_schedule_plan(self.backbone, self.finetune, self.optimizer, self.scheduler, *length)

    def freeze_if_constant(self) -> bool:
        """Freezes now, if the same parameters learn in all epochs; returns whether that is so."""
        stages, epochs = len(self.backbone.stages), count_epochs(self.trainer)
        if constant := len({self.finetune.frozen_stages(epoch, epochs, stages) for epoch in range(epochs)}) == 1:
            self._freeze()
        return constant

    def _freeze(self) -> None:
        frozen = self.finetune.frozen_stages(self.current_epoch, count_epochs(self.trainer), len(self.backbone.stages))
        self.backbone.freeze(frozen, self.finetune.keep_statistics, self.finetune.kinds)

    def metrics_of(self, split: str) -> HeadMetrics:
        """The metrics of `val` or `test`."""
        return cast(HeadMetrics, self.split_metrics[split])

    def _report(self, split: str) -> None:
        measured = self.metrics_of(split).compute(self.named_heads())
        self.tables |= {f"{split}/{name}": table for name, table in measured.tables.items()}
        loss, score = measured.joint_loss(self.balance.constant), measured.score
        numbers = measured.numbers if loss is None else {**measured.numbers, "loss": loss}
        self.log_dict({f"{split}/{name}": value for name, value in numbers.items()})
        if score is not None:
            self.log(f"{split}/score", score, prog_bar=split == "val")
        if self.trainer.state.fn == TrainerFn.FITTING and not (score is None and self.trainer.sanity_checking):
            measured.calibrate(self.named_heads())
            # Lightning would do so after saving the epoch's checkpoint: a resumed run would miss the lower rate.
            schedulers.step_plateau(self.trainer.lr_scheduler_configs, {**numbers, "score": check_measured(measured)})
