"""What the terminal shows of a training: a progress bar on one line, and a row for each epoch."""

import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from torch import Tensor

from candelabra.tasks.run_length import count_epochs
from candelabra.tasks.task import Task
from candelabra.training.callbacks.throughput import Throughput

_PAUSE = 0.1  # seconds between two drawings of a bar
_RECENT = 10  # steps whose mean loss stands beside the bar
_WIDTHS = {"epochs": 9, "train loss": 10, "val loss": 9, "score": 7, "time": 8, "left": 8}


class EpochProgress(TQDMProgressBar):
    """Shows a progress bar in a terminal, and prints a row after each epoch wherever the output goes.

    A row has the epochs that are done, the mean loss of the epoch's steps, the loss and the score of its validation,
    and the time that it took and that all others need.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=1)
        self.drawn = 0.0
        self.losses: list[Tensor] = []
        self.validated = False
        self.begun, self.spent, self.epochs = 0.0, 0.0, 0

    def init_train_tqdm(self) -> Tqdm:
        return self._make_bar()

    def init_validation_tqdm(self) -> Tqdm:
        return self._make_bar(hidden=self.trainer.training or self.trainer.state.fn == "fit")

    def init_test_tqdm(self) -> Tqdm:
        return self._make_bar()

    def _make_bar(self, hidden: bool = False) -> Tqdm:
        """A bar that leaves nothing behind; files get none."""
        there = sys.stdout.isatty() or "ipykernel" in sys.modules
        disable = hidden or self.is_disabled or not there
        return Tqdm(disable=disable, leave=False, dynamic_ncols=True, file=sys.stdout, bar_format=self.BAR_FORMAT)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        """Beside the bar: the mean loss of the last steps, and the share of time waiting for data."""
        waits = [callback for callback in trainer.callbacks if isinstance(callback, Throughput)]  # type: ignore[attr-defined]
        if not trainer.training:
            return {}
        recent = self.losses[-_RECENT:]  # without the last step, which a GPU may still compute
        loss = {"loss": f"{_average_losses(recent, trainer):.4f}"} if recent else {}
        return {**loss, **({"data_wait": f"{waits[0].epoch_wait():.0%}"} if waits else {})}

    def on_train_start(self, *args: Any) -> None:
        super().on_train_start(*args)
        self.begun = time.perf_counter()
        self._print(*_WIDTHS)

    def on_train_epoch_start(self, trainer: L.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(_describe_epoch(trainer))
        self.begun, self.losses, self.validated = time.perf_counter(), [], False

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *args: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, *args)
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if isinstance(loss, Tensor) and isinstance(pl_module, Task):  # that of a grid is a sum
            self.losses.append(loss)

    def _should_update(self, current: int, total: int) -> bool:
        """Lightning counts batches: it draws too often where they are fast, too seldom where they are slow."""
        now = time.perf_counter()
        due = self.is_enabled and (current == total or now - self.drawn >= _PAUSE)
        self.drawn = now if due else self.drawn
        return due

    def on_validation_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        before = self.drawn
        super().on_validation_batch_end(trainer, *args)
        batch, total = args[3] + 1, self.total_val_batches_current_dataloader
        if trainer.state.fn == "fit" and self.drawn != before:
            self.train_progress_bar.set_description(f"{_describe_epoch(trainer)}, validation {batch}/{total}")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        self.validated = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        seconds = time.perf_counter() - self.begun
        self.spent, self.epochs = self.spent + seconds, self.epochs + 1
        left = count_epochs(trainer) - trainer.current_epoch - 1
        last = trainer.callback_metrics.get("train/loss")
        mean = _average_losses(self.losses, trainer) if self.losses else last
        found = trainer.callback_metrics if self.validated else {}
        numbers = (mean, found.get("val/loss"), found.get("val/score"))
        self._print(
            f"{trainer.current_epoch + 1}/{count_epochs(trainer)}",
            *("" if number is None else f"{float(number):.4f}" for number in numbers),
            _format_seconds(seconds),
            _format_seconds(left * self.spent / self.epochs),
        )

    def _print(self, *cells: str) -> None:
        if self.is_enabled:  # on rank 0
            row = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS.values(), strict=True))
            Tqdm.write(row, file=sys.stdout)


def _average_losses(losses: list[Tensor], trainer: L.Trainer) -> float:
    """The mean of the steps' losses, as they were before Lightning divided them for accumulation."""
    return float(sum(losses)) * trainer.accumulate_grad_batches / len(losses)


def _describe_epoch(trainer: L.Trainer) -> str:
    return f"epoch {trainer.current_epoch + 1}/{count_epochs(trainer)}"


def _format_seconds(seconds: float) -> str:
    """Seconds as 5.2 s, 4:05 (minutes) or 1:04:05 (hours).

    >>> _format_seconds(5.23), _format_seconds(245), _format_seconds(3845)
    ('5.2 s', '4:05', '1:04:05')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
