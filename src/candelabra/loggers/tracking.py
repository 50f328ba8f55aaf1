"""What is logged, wherever it goes: the one place that says so.

Numbers: losses, metrics and scores (`Task`), rates by group (Lightning's LearningRateMonitor), what balances did
(`LogBalance`), `gradient_norm` (`LogGradient`), `images_per_second` and `data_wait` (`Throughput`). Beside them, here:
the config and the versions of code at the start, predictions for the same validation images after each validation, and
at the end what the run folder shows of the best checkpoint: pictures, tables of classes, an embedding, its weights.
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

from candelabra.config.build import Plain, build
from candelabra.data.loading.datamodule import DataModule
from candelabra.errors import Interrupted
from candelabra.loggers.code_version import code_version
from candelabra.loggers.csv import Csv
from candelabra.loggers.embedding import embed
from candelabra.loggers.guard import Guard, guards
from candelabra.loggers.logger import Facts, Status, Table
from candelabra.report.pictures import predicted, sheet
from candelabra.runs.metrics_csv import read_past
from candelabra.tasks.task import Task
from candelabra.types import Sample

log = logging.getLogger(__name__)
SHOWN = 12  # validation images whose predictions are shown
OF_TEST = ("predictions", "_confusion")  # end the names of pictures in the run folder that are of test images
SOON = 1.0  # seconds that a checkpoint waits for what was logged before it


def make_loggers(nodes: Mapping[str, Plain], folder: Path) -> list[Guard]:
    """The trackers that `logger` names, each behind its guard.

    Where there is one, metrics.csv is written too: what goes on with a run, draws or reports it reads that.
    """
    trackers = {word: build(node) for word, node in nodes.items()}
    if trackers and not any(isinstance(tracker, Csv) for tracker in trackers.values()):
        trackers = {"csv": Csv(str(folder)), **trackers}
    return [Guard(word, tracker) for word, tracker in trackers.items()]


class Tracking(L.Callback):
    """Shows what is predicted for some validation images, after each validation of a training.

    Args:
        data: whose images they are.
    """

    def __init__(self, data: DataModule) -> None:
        self.data = data
        self.samples: list[Sample] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        shown = [guard for guard in guards(trainer.loggers) if not isinstance(guard.tracker, Csv)]
        if shown and isinstance(pl_module, Task):
            prepared = self.data.prepared("val")
            self.samples = [prepared[index] for index in self.data.chosen("val", SHOWN)]

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not self.samples or trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        assert isinstance(pl_module, Task)
        found = predicted(pl_module, self.samples)  # on all ranks: a sharded network runs on all or on none
        if trainer.is_global_zero:
            picture = np.asarray(sheet(self.samples, found, self.data.labels))
            step = trainer.fit_loop.epoch_loop._batches_that_stepped
            for guard in guards(trainer.loggers):
                guard.do(lambda tracker: tracker.picture("predictions", picture, step))

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: Mapping[str, object]
    ) -> None:
        """What was logged before a checkpoint is written first: a run that goes on there does not do it again."""
        for guard in guards(trainer.loggers):
            guard.wait(SOON)


@contextmanager
def tracked(trainer: L.Trainer, config: Plain, step: int) -> Iterator[None]:
    """Begins the run in all trackers, and ends it whatever happens.

    Args:
        trainer: whose loggers they are.
        config: resolved, plain.
        step: that the run goes on from; 0 for a new one.
    """
    found = guards(trainer.loggers)
    folder = Path(config["folder"])
    if found and trainer.is_global_zero:
        facts = Facts(config, code_version(Path.cwd()), step, read_past(folder))
        for guard in found:
            guard.do(lambda tracker: tracker.begin(facts))
    status = Status.FAILED
    try:
        yield
        status = Status.FINISHED
    except (Interrupted, KeyboardInterrupt):
        status = Status.STOPPED
        raise
    except Exception as error:
        if type(error).__name__ == "TrialPruned":  # Optuna's, which is loaded in a sweep alone
            status = Status.STOPPED
        raise
    finally:
        for guard in found:
            guard.end(status)
            if trainer.is_global_zero and not guard.failed and not isinstance(guard.tracker, Csv):
                log.info("logger=%s: %s", guard.word, guard.tracker.later())


def wait(trainer: L.Trainer) -> None:
    """Until metrics.csv has what was logged."""
    for guard in guards(trainer.loggers):
        if isinstance(guard.tracker, Csv):
            guard.wait(guard.tracker.timeout)


def show_results(trainer: L.Trainer, task: Task, data: DataModule, folder: Path, best: str | None) -> None:
    """Logs what the run folder has of the finished run; on rank 0."""
    found = guards(trainer.loggers)
    if not found:
        return
    step = trainer.fit_loop.epoch_loop._batches_that_stepped
    paths = [path for path in sorted((folder / "pictures").glob("*.png")) if path.stem.endswith(OF_TEST)]
    pictures = {f"test/{path.stem}": np.asarray(Image.open(path).convert("RGB")) for path in paths}
    tables = {path.stem: _table(path) for path in folder.glob("*_classes.csv")}
    seen = embed(task, data, "val")
    for guard in found:
        for name, pixels in pictures.items():
            guard.do(methodcaller("picture", name, pixels, step))
        for name, table in tables.items():
            guard.do(methodcaller("table", name, table, step))
        if seen:
            guard.do(lambda tracker: tracker.embedding("embedding", seen, step))
        if best:
            guard.do(lambda tracker: tracker.checkpoint(Path(best)))


def _table(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return Table(columns, [[row[0], *(float(cell) for cell in row[1:])] for row in rows])
