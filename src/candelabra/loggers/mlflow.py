"""Logs to MLflow: a database beside the run folders, or a server."""

import csv
import io
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.environment import require_package
from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.loggers.naming import (
    find_sweep,
    flatten_config,
    name_group,
    name_run,
    read_tracker_id,
    write_tracker_id,
)
from candelabra.runs.metrics_csv import LoggedMetrics
from candelabra.storage.locks import hold_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENDS = {RunStatus.FINISHED: "FINISHED", RunStatus.FAILED: "FAILED", RunStatus.STOPPED: "KILLED"}
_LONGEST, _NAME = 500, 250  # characters of a parameter's value and of any name, as all versions of the server take them
_SEVERAL, _MANY = 100, 1000  # parameters, metrics that it takes at a time


class MlflowLogger(RunLogger):
    """A run of MLflow; a resumed run keeps its id (`mlflow.id` in the run folder).

    MLflow only appends, so steps that a resumed run repeats are not logged again. Metrics that a server missed are sent
    when the run is resumed: `candelabra train resume=<run>`, also of a finished run.
    Parameters are the config by dotted keys, with long values cut; the artifact resolved.yaml has all of it.

    Args:
        folder: of the run.
        uri: http://<host>:5000 of a server, or a database; null for mlflow.db beside the run folder (beside its sweep,
            where it is a job of one), with artifacts in mlflow-artifacts beside it.
        experiment: name of the MLflow experiment; null for MLFLOW_EXPERIMENT_NAME, or candelabra.
        name: of the run; null for that of its folder.
        log_model: upload the best checkpoint as an artifact.
        timeout: seconds that the end of a run waits for the server; a request waits a quarter of it.

    Raises:
        CandelabraError: mlflow is not installed.
    """

    def __init__(
        self,
        folder: str,
        uri: str | None = None,
        experiment: str | None = None,
        name: str | None = None,
        log_model: bool = False,
        timeout: float = 60.0,
    ) -> None:
        require_package("mlflow", "logger=mlflow")
        self.folder, self.log_model, self.limit = Path(folder), log_model, timeout
        self.experiment = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "candelabra"
        self.group = name_group(self.folder)
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.group / 'mlflow.db'}"
        self.name = name or name_run(self.folder)
        self.client: MlflowClient | None = None
        self.number = ""
        self.past = LoggedMetrics()
        self.last: dict[str, int] = {}  # last step of each metric on the server

    @property
    def timeout(self) -> float:
        return self.limit

    def begin(self, facts: RunFacts) -> None:
        _prepare(self.limit)
        from mlflow import MlflowClient

        for chatty in ("alembic", "mlflow", "urllib3.connectionpool"):  # after it is imported, as that sets them
            logging.getLogger(chatty).setLevel(logging.ERROR)
        with self._lock_database():
            self.client = MlflowClient(tracking_uri=self.uri)
            experiment = self._experiment()
        known = read_tracker_id(self.folder, "mlflow")
        if known and self._goes_on(known):
            self.number, self.past = known, facts.past
        else:
            run = self._client.create_run(experiment, run_name=self.name)
            self.number = run.info.run_id
            write_tracker_id(self.folder, "mlflow", self.number)
        self._describe(facts)
        self._send(facts.past.numbers(facts.step))

    def _goes_on(self, number: str) -> bool:
        """Whether the database has the run; a copied folder points to another database."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.update_run(number, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self._send([(values, step)])

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None:
        if step > self.past.validated():
            self._client.log_image(self.number, pixels, key=_clean_name(name), step=step)

    def table(self, name: str, table: LoggedTable, step: int) -> None:
        self._client.log_text(self.number, _join_cells(table, ","), f"tables/{name}.csv")

    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None:
        vectors = LoggedTable((), [[f"{x:.6g}" for x in vector] for vector in embedding.vectors])
        self._client.log_text(self.number, _join_cells(vectors, "\t").lstrip(), f"{name}/vectors.tsv")
        self._client.log_text(self.number, _join_cells(embedding.table, "\t"), f"{name}/metadata.tsv")
        side = int(np.ceil(np.sqrt(len(embedding.thumbnails))))
        size = embedding.thumbnails.shape[1]
        sprite = Image.new("RGB", (side * size, side * size))
        for place, pixels in enumerate(embedding.thumbnails):
            sprite.paste(Image.fromarray(pixels), (place % side * size, place // side * size))
        self._client.log_image(self.number, sprite, artifact_file=f"{name}/sprite.png")

    def checkpoint(self, path: Path) -> None:
        if self.log_model:
            self._client.log_artifact(self.number, str(path), "checkpoints")

    def end(self, status: RunStatus) -> None:
        self._client.set_terminated(self.number, _ENDS[status])

    def later(self) -> str:
        if self.uri.startswith("http"):
            return f"`candelabra train resume={self.folder}` sends the numbers, once {self.uri} answers."
        return f"`mlflow ui --backend-store-uri {self.uri}` shows what there is."

    def _send(self, rows: Iterable[tuple[Mapping[str, float], int]]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        new = []
        for values, step in rows:
            for name, value in values.items():
                key = _clean_name(name)
                if step > self._last(key):
                    new.append(Metric(key, value, now, step))
                    self.last[key] = step
        for first in range(0, len(new), _MANY):
            self._client.log_batch(self.number, metrics=new[first : first + _MANY])

    def _last(self, name: str) -> int:
        if name not in self.last:
            history = self._client.get_metric_history(self.number, name)
            self.last[name] = max((metric.step for metric in history), default=-1)
        return self.last[name]

    def _experiment(self) -> str:
        found = self._client.get_experiment_by_name(self.experiment)
        if found:
            return str(found.experiment_id)
        local = None if self.uri.startswith("http") else (self.group / "mlflow-artifacts").as_uri()
        return str(self._client.create_experiment(self.experiment, artifact_location=local))

    def _describe(self, facts: RunFacts) -> None:
        """Logs parameters and tags. MLflow refuses to change a parameter, so a resumed run adds only the new ones."""
        from mlflow.entities import Param, RunTag

        there = self._client.get_run(self.number).data.params
        words = {_clean_name(key)[:_NAME]: str(value)[:_LONGEST] for key, value in flatten_config(facts.config).items()}
        new = [Param(key, value) for key, value in words.items() if key not in there]
        for first in range(0, len(new), _SEVERAL):
            self._client.log_batch(self.number, params=new[first : first + _SEVERAL])
        sweep = find_sweep(self.folder)
        tags = {f"code.{key}": value for key, value in facts.code.items()}
        tags |= {"mlflow.source.git.commit": facts.code["commit"]} if "commit" in facts.code else {}
        tags |= {"sweep": sweep.name} if sweep else {}
        self._client.log_batch(self.number, tags=[RunTag(key, value) for key, value in tags.items()])
        # Not config.yaml: a folder with a file of that name counts as a run.
        self._client.log_dict(self.number, dict(facts.config), "resolved.yaml")

    @contextmanager
    def _lock_database(self) -> Iterator[None]:
        """Holds a lock: jobs that start at once must not all create the tables of the same database."""
        if self.uri.startswith("http"):
            yield
            return
        with hold_lock(self.group / ".mlflow.lock", timeout=self.limit):
            yield

    @property
    def _client(self) -> "MlflowClient":
        assert self.client is not None, "begin comes first"
        return self.client


def _prepare(limit: float) -> None:
    """Sets MLflow's environment variables: no telemetry, one retry, short timeouts."""
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    settings["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, round(limit / 4)))
    for key, value in settings.items():
        os.environ.setdefault(key, value)


def _clean_name(name: str) -> str:
    """Replaces characters that MLflow does not allow in names."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _join_cells(table: LoggedTable, by: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=by, lineterminator="\n")
    writer.writerows([table.columns, *table.rows])
    return text.getvalue()
