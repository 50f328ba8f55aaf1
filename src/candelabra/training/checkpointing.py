"""Checkpoints for resuming: periodic, on a signal, written atomically; and seeding of each step."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from candelabra.environment import SLURM_JOB_VARIABLE, list_stop_signals
from candelabra.errors import CandelabraError, Interrupted
from candelabra.storage.atomic import remove_temporary_files, write_atomically
from candelabra.training.callbacks.throughput import Throughput

BEST = "best"  # the checkpoint of the best weights
_FOR_RESUMING = ("optimizer_states", "lr_schedulers", "loops")
_OUT_OF_TIME = {*list_stop_signals(slurm=True)} - {signal.SIGTERM, signal.SIGINT}  # SIGUSR1, where the system has it


class ResumeCheckpoint(Checkpoint):
    """Writes `last.ckpt` periodically and at the end of training; the previous one becomes `step-<n>.ckpt`.

    A checkpoint is written between two optimizer steps, never between a step and the validation that follows it: a run
    resumed there by Lightning skips that validation. SIGTERM and SIGINT, and SIGUSR1 under SLURM, are handled at the
    same places; a second signal stops the process at once.

    `trainer.max_steps` may end a run in mid-epoch: its last weights are validated as well.

    Args:
        folder: where they are written.
        steps: interval in optimizer steps; null uses minutes alone.
        minutes: interval in wall-clock minutes; null uses steps alone.
        keep: number of checkpoints to keep, the newest.

    Raises:
        CandelabraError: `steps`, `minutes` or `keep` is out of range.
    """

    def __init__(self, folder: Path, steps: int | None = None, minutes: float | None = 2.0, keep: int = 1) -> None:
        if keep < 1 or (steps is not None and steps < 1) or (minutes is not None and minutes <= 0):
            raise CandelabraError(
                f"save.steps={steps}, save.minutes={minutes}, save.keep={keep}: steps and keep must be at least 1 and "
                "minutes above 0; null for steps or minutes leaves one out."
            )
        self.folder, self.steps, self.minutes, self.keep = folder, steps, minutes, keep
        self.step, self.clock = 0, time.monotonic()
        self.signals: list[int] = []
        self.process = 0
        self.stopping = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.step, self.clock, self.process = trainer.global_step, time.monotonic(), os.getpid()
        patience = trainer.early_stopping_callback
        if patience is not None and patience.stopped_epoch:
            trainer.should_stop = True  # a run that was at its end; Lightning would give it another epoch
        for number in list_stop_signals(slurm=SLURM_JOB_VARIABLE in os.environ):
            signal.signal(number, self._note)  # in place of Lightning's; its own teardown brings back what was before

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self.stopping:  # not at the end of the step before: its metrics would not be logged
            raise Interrupted(f"interrupted at step {trainer.global_step}; resume={self.folder.parent} goes on")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True  # Lightning validates where it is told to stop, not at the last step as such
        elif _is_between_steps(trainer) and (trainer.should_stop or not _validates_now(trainer)):
            self._save_or_stop(trainer, finished=False)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if fitting and not trainer.should_stop and _is_between_steps(trainer):
            self._save_or_stop(trainer, finished=False)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epochs = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
        by_steps = trainer.max_steps != -1
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch and trainer.global_step != trainer.max_steps:
            return  # time is up in mid-epoch: Lightning would take this epoch for a whole one
        if by_steps and trainer.global_step != trainer.max_steps:
            return  # it would count this epoch twice; the first step of the next is soon enough
        self._save_or_stop(trainer, trainer.should_stop or by_steps or epochs == trainer.max_epochs)

    def _save_or_stop(self, trainer: L.Trainer, finished: bool) -> None:
        since = trainer.global_step - self.step
        due = trainer.should_stop or finished or (self.steps is not None and since >= self.steps)
        due = due or (self.minutes is not None and time.monotonic() - self.clock >= 60 * self.minutes)
        due, stop = _any_rank(trainer, due), _any_rank(trainer, bool(self.signals))
        if (due or stop) and since:
            self._save(trainer)
        self.stopping = stop and not finished
        if self.stopping and trainer.is_global_zero and _OUT_OF_TIME & set(self.signals):
            requeue_slurm_job()

    def _save(self, trainer: L.Trainer) -> None:
        last = self.folder / "last.ckpt"
        if trainer.is_global_zero and last.exists() and self.keep > 1:
            last.replace(self.folder / f"step-{self.step:08d}.ckpt")
        trainer.save_checkpoint(last)
        self.step, self.clock = trainer.global_step, time.monotonic()
        if trainer.is_global_zero:
            earlier = sorted(self.folder.glob("step-*.ckpt"))
            for old in earlier[: len(earlier) - self.keep + 1]:
                old.unlink()
        for each in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(each, Throughput):
                each.left = time.perf_counter()  # nobody waited for data

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # forked to load data: the main process ends it in time, see `survive_sigterm`
        if not self.signals:
            print("stopping after this step; a second signal stops at once", file=sys.stderr, flush=True)
        if self.signals:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.signals.append(number)


def requeue_slurm_job() -> None:
    """Asks SLURM to requeue this job; `candelabra train` then finds the run and resumes it."""
    done = subprocess.run(["scontrol", "requeue", os.environ[SLURM_JOB_VARIABLE]], check=False)
    if done.returncode:
        print(f"scontrol requeue failed with {done.returncode}; start the job again by hand", file=sys.stderr)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a temporary file in the same folder and renames it; a kill or a full disk leaves the last one intact.

    Lightning writes to the system's temporary folder and moves the file, which is not atomic across file systems.
    The best checkpoint is for use, not for resuming: it leaves out the state of the optimizer, twice as large as the
    weights.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.stem == BEST:
            checkpoint = {key: value for key, value in checkpoint.items() if key not in _FOR_RESUMING}
        try:
            remove_temporary_files(path.parent, f".{path.name}.*")  # a kill while saving must not fill the disk
            write_atomically(path, lambda file: torch.save(checkpoint, file), sync=True)
        except (OSError, RuntimeError) as error:  # torch raises the second for a full disk
            words = str(error).splitlines()[0]
            raise CandelabraError(
                f"{path} cannot be written ({words}); the checkpoints before it are untouched. Free some space, then "
                f"go on with resume={path.parent.parent}."
            ) from error


class StepSeeding(L.Callback):
    """Seeds each step by the seed of the run and the step, so that dropout is the same in a resumed run.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.fit_loop.total_batch_idx
        torch.manual_seed((self.seed * 1_000_003 + step) * trainer.world_size + trainer.global_rank)


def _is_between_steps(trainer: L.Trainer) -> bool:
    """Whether an optimizer step has been done, and the epoch has another batch."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    return progress.current.ready % trainer.accumulate_grad_batches == 0 and not progress.is_last_batch


def _validates_now(trainer: L.Trainer) -> bool:
    """Whether a validation follows this step, as `val_check_interval` says."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)


def _any_rank(trainer: L.Trainer, answer: bool) -> bool:
    """Whether the answer is true on any rank."""
    if trainer.world_size == 1:
        return answer
    return bool(trainer.strategy.reduce_boolean_decision(answer, all=False))
