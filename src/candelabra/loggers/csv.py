"""Numbers as rows of metrics.csv, in the run folder, which has the rest already."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch.loggers import CSVLogger
from numpy.typing import NDArray

from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.runs.metrics_csv import METRICS_FILE, PREVIOUS_METRICS_FILE
from candelabra.storage.atomic import write_atomically


class CsvLogger(RunLogger):
    """Lightning's CSVLogger, which goes on where a run goes on.

    Config, pictures, tables and checkpoints are in the run folder without it. It adds the versions of code, as
    code.json, and the embedding, as embedding.npz (vectors, and a column of the table each).

    Args:
        folder: of the run.
    """

    timeout = 60.0

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.logger = CSVLogger(self.folder, name="", version="")

    def begin(self, facts: RunFacts) -> None:
        path, before = self.folder / METRICS_FILE, self.folder / PREVIOUS_METRICS_FILE
        if path.exists() and not before.exists():  # the logger would delete it, before there is another
            path.replace(before)
        write_atomically(self.folder / "code.json", json.dumps(dict(facts.code), indent=2) + "\n")
        self.logger.experiment.metrics.extend(facts.past.before(facts.step))
        self.logger.save()
        before.unlink(missing_ok=True)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self.logger.log_metrics(dict(values), step)
        self.logger.save()

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        """Those of the end are in pictures/."""

    def table(self, name: str, table: LoggedTable, step: int) -> None:
        """Tables are in the run folder."""

    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        columns = zip(embedding.table.columns, zip(*embedding.table.rows, strict=True), strict=True)
        arrays: dict[str, Any] = {column: np.array(cells) for column, cells in columns}
        np.savez(self.folder / "embedding.npz", vectors=embedding.vectors, **arrays)

    def checkpoint(self, path: Path) -> None:
        """It is in checkpoints/."""

    def end(self, status: RunStatus) -> None:
        self.logger.save()

    def later(self) -> str:
        return f"{self.folder / METRICS_FILE} has the rows until then."
