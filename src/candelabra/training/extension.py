"""More epochs for a run that is resumed: resume=runs/first epochs=20."""

import logging
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import nn

from candelabra.config.build import PlainConfig
from candelabra.config.probe_options import is_probe
from candelabra.errors import CandelabraError
from candelabra.optim.parameter_groups import make_optimizer
from candelabra.optim.schedulers import has_metric
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER, read_checkpoint
from candelabra.tasks.task import Task

log = logging.getLogger(__name__)


def set_epochs(stored: PlainConfig, composed: PlainConfig, content: dict[str, Any]) -> None:
    """Sets the epochs of the config of a resumed run to those typed now.

    Args:
        stored: config of the run; it is changed.
        composed: with the epochs typed now.
        content: of the checkpoint to resume from.

    Raises:
        CandelabraError: the run has trained as many already, or something else ends it.
    """
    epochs, trained = composed["epochs"], count_trained_epochs(content)
    given = f"epochs={epochs} with resume={stored['folder']}"
    if epochs == stored["epochs"] and epochs > trained:
        return
    if not isinstance(epochs, int) or epochs <= trained:
        raise CandelabraError(
            f"{given}: that run has trained {trained} epochs, which count; set epochs={trained + 1} or more, or leave "
            "epochs out to test the run again."
        )
    if composed["trainer"].get("max_epochs") != epochs or stored["trainer"].get("max_steps", -1) not in (-1, None):
        raise CandelabraError(f"{given}: trainer.max_epochs or trainer.max_steps ends that run; begin another run.")
    stored["epochs"] = stored["trainer"]["max_epochs"] = epochs


def check_restart(run: Path, stored: PlainConfig, longer: bool) -> None:
    """Refuses to begin a run anew that is finished, or that is to be longer.

    Args:
        run: folder of a run without a checkpoint to resume from.
        stored: its config.
        longer: whether it is to have more epochs.

    Raises:
        CandelabraError: it is or has.
    """
    best = run / CHECKPOINT_FOLDER / "best.ckpt"
    # A probe has no epochs, and no last.ckpt.
    if longer or (best.is_file() and (run / "results.json").is_file() and not is_probe(stored)):
        raise CandelabraError(
            f"resume={run} has no last.ckpt, which holds the state of the optimizer, so it cannot go on; weights={run} "
            "begins another run from the weights of best.ckpt."
            if best.is_file()
            else f"resume={run} has no checkpoint, so nothing was trained that could go on; begin another run."
        )


def count_trained_epochs(content: dict[str, Any]) -> int:
    """Complete epochs of the run that wrote a checkpoint."""
    return int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def make_extension(plain: PlainConfig, checkpoint: Path | None) -> list[L.Callback]:
    """Returns `ExtendedSchedule` where the checkpoint was written by a run of another length, else an empty list."""
    if checkpoint is None:
        return []
    content = read_checkpoint(checkpoint)
    if content["candelabra"]["config"]["trainer"].get("max_epochs") == plain["trainer"].get("max_epochs"):
        return []
    return [ExtendedSchedule()]


class ExtendedSchedule(L.Callback):
    """Callback that continues the learning rate schedule of a run of the new length at the step of the checkpoint.

    A checkpoint holds the state of the schedule of the old length. A schedule that follows a metric has no length: it
    goes on unchanged. Early stopping counts its patience anew.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, Task)
        if (patience := trainer.early_stopping_callback) is not None:
            patience.stopped_epoch = patience.wait_count = 0
        groups = trainer.optimizers[0].param_groups
        before = groups[-1]["lr"]
        _move_schedule(trainer, pl_module)
        log.info(
            "epochs %d to %d follow the schedule of a run of %d epochs; the learning rate of the heads goes on at "
            "%.1e (it ended at %.1e)",
            trainer.current_epoch + 1,
            trainer.max_epochs,
            trainer.max_epochs,
            groups[-1]["lr"],
            before,
        )


def _move_schedule(trainer: L.Trainer, task: Task) -> None:
    """Sets schedulers and rates to those of the new length, simulated on one dummy parameter a group."""
    current = trainer.lr_scheduler_configs
    if task.scheduler is None or any(has_metric(each.scheduler) for each in current):
        return
    dummies = [{**group, "params": [nn.Parameter(torch.zeros(1))]} for group in task.parameter_groups()]
    simulated = make_optimizer(task.optimizer, dummies)
    entries = task.scheduler(simulated, int(trainer.estimated_stepping_batches))
    simulated.step()  # torch warns where a scheduler steps first
    for entry, config in zip(entries, current, strict=True):
        for _ in range(config.scheduler.last_epoch):
            entry["scheduler"].step()
        config.scheduler.load_state_dict(entry["scheduler"].state_dict())
    for group, new in zip(trainer.optimizers[0].param_groups, simulated.param_groups, strict=True):
        group.update({key: value for key, value in new.items() if key != "params"})
