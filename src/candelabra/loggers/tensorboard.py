"""TensorBoard's event files below the run folder."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from candelabra.environment import is_installed, require_package
from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.loggers.naming import flatten_config

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)
_JUDGED = ("val/score", "val/loss", "test/score", "test/loss")  # beside the settings, in the hparams tab


class TensorboardLogger(RunLogger):
    """Scalars, images, texts, the projector and the hparams tab; `tensorboard --logdir runs` shows them.

    A resumed run writes another file, which replaces the steps that it repeats.

    Args:
        folder: of the run; the files go to its `tensorboard`.

    Raises:
        CandelabraError: tensorboard is not installed.
    """

    timeout = 60.0

    def __init__(self, folder: str) -> None:
        require_package("tensorboard", "logger=tensorboard", "use logger=csv")
        self.folder = Path(folder, "tensorboard")
        self.writer: SummaryWriter | None = None

    def begin(self, facts: RunFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        known = self.folder.is_dir()
        self.writer = SummaryWriter(str(self.folder), purge_step=facts.step)
        self.writer.add_text("config", _code(yaml.safe_dump(facts.config, sort_keys=False)), facts.step)
        self.writer.add_text("code", _code(yaml.safe_dump(dict(facts.code))), facts.step)
        settings = {
            key: value
            for key, value in flatten_config(facts.config).items()
            if isinstance(value, bool | int | float | str)
        }
        for summary in hparams(settings, dict.fromkeys(_JUDGED, 0.0)):
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        for values, step in () if known else facts.past.numbers(facts.step):
            self.numbers(values, step)
        self.writer.flush()

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # a resumed run repeats what a killed one did not write

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def table(self, name: str, table: LoggedTable, step: int) -> None:
        rows = [table.columns, ["---"] * len(table.columns), *table.rows]
        words = [["" if cell is None else str(cell).replace("|", "/") for cell in row] for row in rows]
        lines = [f"| {' | '.join(row)} |" for row in words]
        self._writer.add_text(name, "\n".join(lines), step)

    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        shutil.rmtree(self.folder / f"{step:05d}", ignore_errors=True)  # a finished run that is tested again
        table = embedding.table
        rows = [[str(cell).replace("\t", " ") for cell in row] for row in table.rows]
        images = torch.from_numpy(embedding.thumbnails).permute(0, 3, 1, 2).float() / 255
        self._writer.add_embedding(embedding.vectors, rows, images, step, tag=name, metadata_header=list(table.columns))

    def checkpoint(self, path: Path) -> None:
        """Does nothing: TensorBoard has no checkpoints."""

    def end(self, status: RunStatus) -> None:
        self._writer.close()

    def later(self) -> str:
        return f"`tensorboard --logdir {self.folder}` shows what there is."

    @property
    def _writer(self) -> "SummaryWriter":
        assert self.writer is not None, "begin comes first"
        return self.writer


def make_default_tensorboard(folder: str) -> TensorboardLogger | None:
    """TensorBoard of `logger=default`; None, with a line, where it is not installed."""
    if is_installed("tensorboard"):
        return TensorboardLogger(folder)
    log.info("no TensorBoard: it is not installed (pip install 'candelabra[dashboards]'); metrics.csv has the metrics")
    return None


def _code(text: str) -> str:
    """Formats text as a markdown code block."""
    return "\n".join(f"    {line}" for line in text.splitlines())
