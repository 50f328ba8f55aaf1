"""The learning rate range test (Smith 2017): `candelabra lr`, and `lr=auto` before training."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.tuner.tuning import Tuner
from lightning.pytorch.utilities.seed import isolate_rng
from numpy.typing import NDArray
from torch.optim import Optimizer

from candelabra.config.batch_scaling import count_accumulation_steps
from candelabra.config.build import PlainConfig
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.errors import CandelabraError
from candelabra.finetuning import FineTuning
from candelabra.optim.parameter_groups import ParameterGroups
from candelabra.tasks.compilation import compile_backbone
from candelabra.tasks.loading import build_task, dry_run
from candelabra.tasks.task import Task
from candelabra.training.range_test import RangeTest, write_range_test
from candelabra.training.trainer import make_trainer

LONG_RUN_EPOCHS = 1000  # so long that neither the end of the run nor a strategy's schedule matters to the test
_LIGHTNING_SMOOTHING = 0.98  # of the exponential average of Lightning's finder
_FEWEST = 20  # steps from which a slope can be estimated


def find_learning_rate(plain: PlainConfig, data: SampleDataModule) -> RangeTest:
    """Runs the range test of a config with a task and a trainer of its own, and writes its files into the run folder.

    Raises:
        CandelabraError: `lr_rule` is set, or see `run_range_test` and `write_range_test`.
    """
    if plain.get("lr_rule", "none") != "none":
        raise CandelabraError(
            f"lr_rule={plain['lr_rule']} is for a rate that was typed; one that is looked for is that of global_batch "
            "already. Leave lr_rule out, or set lr=<number>."
        )
    task = build_task(plain, data.labels)
    dry_run(task, data, LONG_RUN_EPOCHS)
    if plain.get("compile"):
        compile_backbone(task, data.dataset("train")[0]["image"])
    node = plain["trainer"]
    if plain.get("global_batch") is not None:
        steps = count_accumulation_steps(plain["global_batch"], plain["data"]["batch_size"], 1)
        node = {**node, "accumulate_grad_batches": steps}
    test = run_range_test(task, data, partial(make_trainer, node), **plain["range"])
    write_range_test(test, Path(plain["folder"]))
    return test


class StopAtStart(FineTuning):
    """A strategy as it is in the first epoch, however short Lightning takes the run to be.

    Args:
        strategy: whose first epoch lasts.
    """

    def __init__(self, strategy: FineTuning) -> None:
        self.strategy = strategy
        self.keep_statistics, self.kinds, self.layerwise = strategy.keep_statistics, strategy.kinds, strategy.layerwise

    def frozen_stages(self, epoch: int, epochs: int, num_stages: int) -> int:
        return self.strategy.frozen_stages(0, LONG_RUN_EPOCHS, num_stages)

    def lr_scale(self, stage: int, num_stages: int) -> float:
        return self.strategy.lr_scale(stage, num_stages)


def run_range_test(
    task: Task,
    data: SampleDataModule,
    make: Callable[..., L.Trainer],
    min: float = 1e-6,
    max: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Trains while the rate rises step by step, and watches the loss (Smith 2017).

    The strategy is in force: what it freezes in its first epoch is frozen, and every group has its share of the rate.
    The random state is left as it was. The task is used up: it has been trained, and has no schedule any more.

    Args:
        task: fresh; `task.optimizer` may have any rate.
        data: what to learn from.
        make: builds a Lightning trainer from further arguments.
        min: the first rate.
        max: the last rate.
        steps: how many rates; ends earlier where the loss is four times the lowest.

    Raises:
        CandelabraError: the range is empty, or the loss was not finite.
    """
    if not 0 < min < max or steps < _FEWEST:
        raise CandelabraError(
            f"range.min={min}, range.max={max}, range.steps={steps}: min must be above 0 and below max, steps at least "
            f"{_FEWEST}."
        )
    task.finetune, task.scheduler = StopAtStart(task.finetune), None
    task.optimizer = _in_shares(task.optimizer)
    with isolate_rng(), tempfile.TemporaryDirectory() as folder:
        trainer = make(
            logger=False,
            callbacks=[],
            default_root_dir=folder,
            max_epochs=LONG_RUN_EPOCHS,
            max_steps=-1,
            check_val_every_n_epoch=1_000_000,
            devices=1,
            num_nodes=1,
            strategy="auto",
        )
        found: Any = Tuner(trainer).lr_find(
            task, datamodule=data, min_lr=min, max_lr=max, num_training=steps, update_attr=False
        )
    rates, smoothed = (np.array(found.results[key], dtype=np.float64) for key in ("lr", "loss"))
    count = int(np.isfinite(smoothed).cumprod().sum())
    if count < _FEWEST:
        raise CandelabraError(
            f"The loss was not finite after {count} steps, at a rate of {rates[count]:g}; try range.max={max / 100:g}."
        )
    return RangeTest(rates[:count], _each_loss(smoothed[:count]))


def _in_shares(make: Callable[[ParameterGroups], Optimizer]) -> Callable[[ParameterGroups], Optimizer]:
    """Scales the rate of each parameter group: Lightning's finder sets the same rate for all groups."""

    def make_with_shares(groups: ParameterGroups) -> Optimizer:
        optimizer = make(groups)
        shares = [group["scale"] for group in optimizer.param_groups]

        def before(optimizer: Optimizer, *_: Any) -> None:
            if len({group["lr"] for group in optimizer.param_groups}) > 1:
                return  # done: an optimizer that steps by its parent's step runs this twice
            for group, share in zip(optimizer.param_groups, shares, strict=True):
                group["lr"] *= share

        optimizer.register_step_pre_hook(before)  # the schedule sets the rate anew after each step
        return optimizer

    return make_with_shares


def _each_loss(smoothed: NDArray[np.float64]) -> NDArray[np.float64]:
    """The losses before Lightning's exponential smoothing.

    It lags by about fifty steps, which would shift the steepest slope to higher rates.
    """
    weights = 1 - _LIGHTNING_SMOOTHING ** np.arange(2, len(smoothed) + 2)  # it counts from 2
    sums = np.concatenate([[0.0], smoothed * weights])
    losses: NDArray[np.float64] = (sums[1:] - _LIGHTNING_SMOOTHING * sums[:-1]) / (1 - _LIGHTNING_SMOOTHING)
    return losses
