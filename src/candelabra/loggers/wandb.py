"""Logs to Weights & Biases: to its server if there is a key, else to files for `wandb sync`."""

import logging
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray

from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.loggers.naming import find_sweep, name_run, read_tracker_id, write_tracker_id
from candelabra.runs.metrics_csv import LoggedMetrics

if TYPE_CHECKING:
    from wandb import Run

log = logging.getLogger(__name__)
_AXIS = "trainer/global_step"  # Lightning's name; W&B's own step counter never goes back, so it cannot be the axis


class WandbLogger(RunLogger):
    """A run of W&B; a resumed run keeps its id (`wandb.id` in the run folder).

    If the server cannot be reached or refuses the key, it works offline. W&B only appends, so steps that a resumed run
    repeats are not logged again.

    Args:
        folder: of the run; W&B's files go to its `wandb`.
        project: name of the W&B project; null for WANDB_PROJECT of the environment, or candelabra.
        entity: user or team; null for WANDB_ENTITY, or that of the key.
        name: of the run; null for that of its folder.
        group: of runs; null for the sweep of the run, if any.
        offline: work offline even with a key.
        log_model: upload the best checkpoint as an artifact.
        timeout: seconds that the start and the end of a run wait for the server.
    """

    def __init__(
        self,
        folder: str,
        project: str | None = None,
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        offline: bool = False,
        log_model: bool = False,
        timeout: float = 60.0,
    ) -> None:
        self.folder, self.log_model = Path(folder), log_model
        self.project = project or os.environ.get("WANDB_PROJECT") or "candelabra"
        self.entity = entity or os.environ.get("WANDB_ENTITY") or None
        self.name = name or os.environ.get("WANDB_NAME") or name_run(self.folder)
        sweep = find_sweep(self.folder)
        self.group = group or os.environ.get("WANDB_RUN_GROUP") or (sweep.name if sweep else None)
        self.disabled = os.environ.get("WANDB_MODE") == "disabled"
        self.offline = offline or os.environ.get("WANDB_MODE") in ("offline", "dryrun") or not _has_key()
        self.limit = timeout
        self.run: Run | None = None
        self.past = LoggedMetrics()

    @property
    def timeout(self) -> float:
        return 2 * self.limit + 30  # it keeps the limit itself, at both ends, and then still has to close

    def begin(self, facts: RunFacts) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its own faults are told to nobody
        import wandb

        known = read_tracker_id(self.folder, "wandb")
        number = known or secrets.token_hex(4)
        self.past = facts.past if known else LoggedMetrics()
        try:
            self.run = self._start(number, facts, "disabled" if self.disabled else "offline" if self.offline else None)
        except wandb.errors.Error as error:
            if self.offline:
                raise
            why = " ".join(str(error).split())[:200]
            self.offline = True
            log.warning("logger=wandb goes on offline, as its server cannot be used (%s). %s", why, self.later())
            wandb.teardown()  # after a failed init, another one with the same id says "in use" otherwise
            self.run = self._start(number, facts, "offline")
        if not self.disabled:
            write_tracker_id(
                self.folder, "wandb", number
            )  # now that there is such a run: it then has what metrics.csv has
        self._run.define_metric("*", step_metric=_AXIS)
        for values, step in () if known else facts.past.numbers(facts.step):
            self.numbers(values, step)

    def _start(self, number: str, facts: RunFacts, mode: Literal["offline", "disabled"] | None) -> "Run":
        import wandb

        silent: dict[str, Any] = {"console": "off", "silent": True, "disable_git": True, "save_code": False}
        prompt: dict[str, Any] = {
            "init_timeout": self.limit,
            "finish_timeout": 0.0 if mode else self.limit,  # offline, there is only a file to write: the whole of it
            "x_transaction_log_flush_interval": 1.0,
        }
        return wandb.init(
            dir=str(self.folder),
            project=self.project,
            entity=self.entity,
            name=self.name,
            group=self.group,
            id=number,
            resume="allow",
            mode=mode,
            config={**facts.config, "code": dict(facts.code)},
            allow_val_change=True,
            settings=wandb.Settings(**silent, **prompt),
        )

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        new = self.past.new(values, step)
        if new:
            self._run.log({**new, _AXIS: step})

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        import wandb

        if step > self.past.validated():
            self._run.log({name: wandb.Image(pixels), _AXIS: step})

    def table(self, name: str, table: LoggedTable, step: int) -> None:
        import wandb

        rows: list[Iterable[Any]] = [list(row) for row in table.rows]
        self._run.log({name: wandb.Table(columns=list(table.columns), data=rows), _AXIS: step})

    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        import wandb

        rows = zip(embedding.thumbnails, embedding.table.rows, embedding.vectors, strict=True)
        data: list[Iterable[Any]] = [[wandb.Image(pixels), *row, vector.tolist()] for pixels, row, vector in rows]
        table = wandb.Table(columns=["image", *embedding.table.columns, "vector"], data=data)
        self._run.log({name: table, _AXIS: step})

    def checkpoint(self, path: Path) -> None:
        import wandb

        if self.log_model:
            artifact = wandb.Artifact(f"model-{self._run.id}", type="model")
            artifact.add_file(str(path))
            self._run.log_artifact(artifact, aliases=["best"])

    def end(self, status: RunStatus) -> None:
        self._run.finish(exit_code=0 if status is RunStatus.FINISHED else 1)

    def later(self) -> str:
        if self.disabled:
            return "WANDB_MODE=disabled: nothing was kept."
        which = "offline-run-*" if self.offline else "run-*"
        return f"`wandb sync {self.folder / 'wandb' / which}` sends what is not on the server yet."

    @property
    def _run(self) -> "Run":
        assert self.run is not None, "begin comes first"
        return self.run


def _has_key() -> bool:
    """Whether W&B can log in without a prompt."""
    if "WANDB_API_KEY" in os.environ:
        return True
    host: Any = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    netrc = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    return netrc.is_file() and str(host) in netrc.read_text(encoding="utf-8", errors="replace")
