"""What a run logs, whatever the logger.

Numbers: losses, metrics and scores (`Task`), rates by group (Lightning's LearningRateMonitor), what balances did
(`BalanceLog`), `gradient_norm` (`GradientNormLog`), `images_per_second` and `data_wait` (`Throughput`). Beside them,
here: the config and the versions of code at the start, predictions for the same validation images after each
validation, and at the end what the run folder shows of the best checkpoint: pictures, tables of classes, an embedding,
its weights.
"""

import csv
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import methodcaller
from pathlib import Path

import lightning as L
import numpy as np
from lightning.pytorch.trainer.states import TrainerFn
from PIL import Image

from candelabra.config.build import PlainConfig, build_object
from candelabra.config.recipes import drop_typed_marks
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.errors import Interrupted
from candelabra.loggers.code_version import find_code_version
from candelabra.loggers.csv import CsvLogger
from candelabra.loggers.embedding import embed_validation
from candelabra.loggers.guard import GuardedLogger, guard_loggers
from candelabra.loggers.logger import LoggedTable, RunFacts, RunStatus
from candelabra.report.pictures import draw_sheet, predict_samples
from candelabra.runs.metrics_csv import read_logged_metrics
from candelabra.tasks.task import Task
from candelabra.types import Sample

log = logging.getLogger(__name__)
_SHOWN = 12  # validation images whose predictions are shown
_OF_TEST = (
    "predictions",
    "_confusion",
    "_precision_recall",
    "_neighbors",
)  # end the names of pictures in the run folder that are of test images
_SOON = 5.0  # seconds that a checkpoint waits for metrics.csv; on a busy machine 1 was too few


def make_loggers(nodes: Mapping[str, PlainConfig], folder: Path) -> list[GuardedLogger]:
    """Makes the loggers that `logger` names, each in a `GuardedLogger`.

    With any logger, metrics.csv is written too: resuming, drawing and reporting read it.
    """
    built = {word: build_object(node) for word, node in nodes.items()}
    trackers = {word: tracker for word, tracker in built.items() if tracker is not None}
    if trackers and not any(isinstance(tracker, CsvLogger) for tracker in trackers.values()):
        trackers = {"csv": CsvLogger(str(folder)), **trackers}
    return [GuardedLogger(word, tracker) for word, tracker in trackers.items()]


class LogRun(L.Callback):
    """Logs predictions for some validation images after each validation.

    Args:
        data: of the images.
    """

    def __init__(self, data: SampleDataModule) -> None:
        self.data = data
        self.samples: list[Sample] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        shown = [guard for guard in guard_loggers(trainer.loggers) if not isinstance(guard.tracker, CsvLogger)]
        if shown and isinstance(pl_module, Task):
            prepared = self.data.dataset("val")
            self.samples = [prepared[index] for index in self.data.spread_positions("val", _SHOWN)]

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.samples or trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        assert isinstance(pl_module, Task)
        found = predict_samples(pl_module, self.samples)  # on all ranks: a sharded network runs on all or on none
        if trainer.is_global_zero:
            picture = np.asarray(draw_sheet(self.samples, found, self.data.labels, pl_module.head_targets))
            step = trainer.fit_loop.epoch_loop._batches_that_stepped
            for guard in guard_loggers(trainer.loggers):
                guard.do(lambda tracker: tracker.picture("predictions", picture, step))

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: Mapping[str, object]
    ) -> None:
        """Waits for metrics.csv first: a run that resumes from this checkpoint does not log these steps again."""
        for guard in guard_loggers(trainer.loggers):
            guard.wait(_SOON)


@contextmanager
def log_run(trainer: L.Trainer, config: PlainConfig, step: int) -> Iterator[None]:
    """Begins the run in all loggers, and ends it whatever happens.

    Args:
        trainer: with the loggers.
        config: resolved, plain.
        step: from which the run resumes; 0 for a new one.
    """
    found = guard_loggers(trainer.loggers)
    folder = Path(config["folder"])
    if found and trainer.is_global_zero:
        facts = RunFacts(drop_typed_marks(config), find_code_version(Path.cwd()), step, read_logged_metrics(folder))
        for guard in found:
            guard.do(lambda tracker: tracker.begin(facts))
    status = RunStatus.FAILED
    try:
        yield
        status = RunStatus.FINISHED
    except (Interrupted, KeyboardInterrupt):
        status = RunStatus.STOPPED
        raise
    except Exception as error:
        if type(error).__name__ == "TrialPruned":  # Optuna's, which is loaded in a sweep alone
            status = RunStatus.STOPPED
        raise
    finally:
        for guard in found:
            guard.end(status)
            if trainer.is_global_zero and not guard.failed and not isinstance(guard.tracker, CsvLogger):
                log.info("logger=%s: %s", guard.word, guard.tracker.later())


def wait_for_loggers(trainer: L.Trainer) -> None:
    """Waits until metrics.csv has all rows."""
    for guard in guard_loggers(trainer.loggers):
        if isinstance(guard.tracker, CsvLogger):
            guard.wait(guard.tracker.timeout)


def log_results(trainer: L.Trainer, task: Task, data: SampleDataModule, folder: Path, best: str | None) -> None:
    """Logs pictures, tables, embedding and checkpoint of a finished run, on rank 0."""
    found = guard_loggers(trainer.loggers)
    if not found:
        return
    step = trainer.fit_loop.epoch_loop._batches_that_stepped
    paths = [path for path in sorted((folder / "pictures").glob("*.png")) if path.stem.endswith(_OF_TEST)]
    pictures = {f"test/{path.stem}": np.asarray(Image.open(path).convert("RGB")) for path in paths}
    tables = {path.stem: _table(path) for path in folder.glob("*_classes.csv")}
    seen = embed_validation(task, data, "val")
    for guard in found:
        for name, pixels in pictures.items():
            guard.do(methodcaller("picture", name, pixels, step))
        for name, table in tables.items():
            guard.do(methodcaller("table", name, table, step))
        if seen:
            guard.do(lambda tracker: tracker.embedding("embedding", seen, step))
        if best:
            guard.do(lambda tracker: tracker.checkpoint(Path(best)))


def _table(path: Path) -> LoggedTable:
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return LoggedTable(columns, [[row[0], *(float(cell) if cell else None for cell in row[1:])] for row in rows])
