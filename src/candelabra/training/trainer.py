"""Builds Lightning's trainer: checkpoints, loggers, progress bar, early stopping."""

import logging
import os
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)

from candelabra.config.batch_scaling import count_accumulation_steps
from candelabra.config.build import PlainConfig, build_object
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.distributed.rendezvous import detect_launcher
from candelabra.environment import CUDA_CHECK_VARIABLE, RUN_VARIABLE
from candelabra.errors import CandelabraError
from candelabra.loggers.guard import GuardedLogger
from candelabra.loggers.tracking import LogRun
from candelabra.report.plan import ShowPlan
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER
from candelabra.runs.head_metrics import HeadSummaries, is_lower_better
from candelabra.training.callbacks.balance_log import BalanceLog
from candelabra.training.callbacks.epoch_loss_log import EpochLossLog
from candelabra.training.callbacks.finite_loss import FiniteLoss
from candelabra.training.callbacks.gradient_norm import GradientNormLog
from candelabra.training.callbacks.notebook_curves import NotebookCurves, is_notebook
from candelabra.training.callbacks.progress import EpochProgress
from candelabra.training.callbacks.throughput import Throughput
from candelabra.training.callbacks.weight_averaging import AveragedWeights
from candelabra.training.checkpointing import BEST, AtomicCheckpoints, ResumeCheckpoint, StepSeeding
from candelabra.training.ddp import SyncBatchNormPlugin


def make_trainer(node: PlainConfig, **further: Any) -> L.Trainer:
    """Builds Lightning's trainer and silences its tips."""
    for name in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{name}").setLevel(logging.WARNING)
    trainer: L.Trainer = build_object(node, **further)
    # Adam asks in every step whether there is a GPU. Where Lightning sets this to 1, torch looks for NVIDIA's library
    # on the disk each time: 0.2 ms a step without a GPU. Lightning sets it for processes that are forked to use one.
    os.environ[CUDA_CHECK_VARIABLE] = str(int(trainer.strategy.root_device.type != "cpu"))
    return trainer


def make_run_trainer(
    plain: PlainConfig,
    data: SampleDataModule,
    loggers: list[GuardedLogger],
    throughput: Throughput,
    checkpointing: list[L.Callback],
) -> L.Trainer:
    """Builds the trainer with loggers, progress bar and the given callbacks; see `make_checkpoint_callbacks`."""
    callbacks: list[L.Callback] = [StepSeeding(plain["seed"]), throughput, BalanceLog(), EpochLossLog()]
    if loggers:
        callbacks += [LearningRateMonitor("step"), GradientNormLog(), LogRun(data)]
    plugins: list[Any] = [AtomicCheckpoints()]
    if plain["trainer"].get("sync_batchnorm"):
        plugins.append(SyncBatchNormPlugin())
    progress = NotebookCurves if is_notebook() else EpochProgress
    shown = [progress()] if plain["trainer"]["enable_progress_bar"] else []  # below the plan
    further = {
        "logger": loggers,
        "callbacks": [*callbacks, *checkpointing, *shown],
        "plugins": plugins,
        "sync_batchnorm": False,
    }
    node = {**plain["trainer"], "default_root_dir": plain["folder"], "enable_checkpointing": bool(checkpointing)}
    trainer = make_trainer(node, **further)
    _check_processes(trainer)
    if plain.get("global_batch") is not None:
        typed = plain["trainer"].get("accumulate_grad_batches", 1)
        if typed != 1:
            raise CandelabraError(
                f"global_batch={plain['global_batch']} and trainer.accumulate_grad_batches={typed} both say how many "
                "batches make a step; leave one of them out."
            )
        batches = count_accumulation_steps(plain["global_batch"], plain["data"]["batch_size"], trainer.world_size)
        trainer.accumulate_grad_batches = batches
    return trainer


def _check_processes(trainer: L.Trainer) -> None:
    here = detect_launcher()
    processes = trainer.num_devices * trainer.num_nodes
    if here is not None and processes != here.ranks:
        raise CandelabraError(
            f"{here.by} started {here.ranks} processes, but trainer.devices and trainer.num_nodes make "
            f"{processes} of them one run; add trainer={'slurm' if here.by == 'srun' else here.by}."
        )
    if here is None and trainer.num_nodes > 1 and RUN_VARIABLE not in os.environ:
        raise CandelabraError(
            f"trainer.num_nodes={trainer.num_nodes}: something has to start the processes of all machines; use "
            "trainer=torchrun under torchrun, or trainer=slurm under srun (see docs/scale.md)."
        )


def make_checkpoint_callbacks(
    plain: PlainConfig, folder: Path, metric: str | None, heads: HeadSummaries
) -> list[L.Callback]:
    """Builds the callbacks that show the schedule, average weights, stop early, and save the best and last weights.

    Args:
        plain: config of the run.
        folder: of the run.
        metric: of validation; null where nothing is validated, so that the last weights count as the best.
        heads: summaries of the metrics of each head.
    """
    mode = "min" if metric and is_lower_better(metric, heads) else "max"
    callbacks: list[L.Callback] = [ShowPlan(folder), FiniteLoss()]
    if plain["ema"] is not None:
        if not 0 < plain["ema"] < 1:
            raise CandelabraError(f"ema={plain['ema']} must be above 0 and below 1 (0.999, say); null for none.")
        callbacks.append(AveragedWeights(decay=plain["ema"]))
    if plain["patience"] is not None and metric:
        callbacks.append(EarlyStopping(metric, patience=plain["patience"], mode=mode))
    checkpoints = folder / CHECKPOINT_FOLDER
    best = BestCheckpoint(checkpoints, BEST, monitor=metric, mode=mode, enable_version_counter=False)
    callbacks += [best, ResumeCheckpoint(checkpoints, **plain["save"])]  # last: it saves the state of all others
    return callbacks


class BestCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint callback, which also resumes where the folder of a run was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        here, there = str(self.dirpath), state_dict["dirpath"]
        paths = {key: value.replace(there, here) for key, value in state_dict.items() if isinstance(value, str)}
        best = {path.replace(there, here): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": best})
