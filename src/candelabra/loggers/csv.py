"""Writes metrics to metrics.csv in the run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray

from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.runs.metrics_csv import METRICS_FILE, PREVIOUS_METRICS_FILE
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json


class CsvLogger(RunLogger):
    """Lightning's CSVLogger, which keeps earlier rows when a run resumes.

    The run folder already has config, pictures, tables and checkpoints. This logger adds the code versions (code.json)
    and the embedding (embedding.npz: vectors, and one array for each column of the table).

    Args:
        folder: of the run.
    """

    timeout = 60.0

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.logger = CSVLogger(self.folder, name="", version="")

    def begin(self, facts: RunFacts) -> None:
        path, before = self.folder / METRICS_FILE, self.folder / PREVIOUS_METRICS_FILE
        if path.exists() and not before.exists():  # CSVLogger would delete it before the new one is written
            path.replace(before)
        write_atomically(self.folder / "code.json", format_json(dict(facts.code)))
        self.logger.experiment.metrics.extend(facts.past.before(facts.step))
        self.logger.save()
        before.unlink(missing_ok=True)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self.logger.log_metrics(dict(values), step)
        self.logger.save()

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Does nothing: pictures/ has the final ones."""

    def table(self, name: str, table: LoggedTable, step: int) -> None:
        """Does nothing: the run folder has the tables."""

    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        columns = zip(embedding.table.columns, zip(*embedding.table.rows, strict=True), strict=True)
        arrays: dict[str, Any] = {column: np.array(cells) for column, cells in columns}
        np.savez(self.folder / "embedding.npz", vectors=embedding.vectors, **arrays)

    def checkpoint(self, path: Path) -> None:
        """Does nothing: checkpoints/ has the weights."""

    def end(self, status: RunStatus) -> None:
        self.logger.save()

    def later(self) -> str:
        return f"{self.folder / METRICS_FILE} has the rows until then."
