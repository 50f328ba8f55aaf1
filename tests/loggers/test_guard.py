"""Trackers that fail: training goes on, the others too, and each is named once."""

import json
import logging
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event, get_ident

import numpy as np
import pytest
from numpy.typing import NDArray

from candelabra.commands.train import run_train
from candelabra.config.build import resolve_config
from candelabra.errors import CandelabraError
from candelabra.loggers import CsvLogger, MlflowLogger, TensorboardLogger, WandbLogger
from candelabra.loggers.guard import GuardedLogger
from candelabra.loggers.logger import LoggedEmbedding, LoggedTable, RunFacts, RunLogger, RunStatus
from candelabra.runs.metrics_csv import LoggedMetrics, read_logged_metrics
from tests.conftest import Compose
from tests.loggers.reading import of_csv, of_mlflow, of_wandb
from tests.loggers.test_loggers import LOADING

pytestmark = [pytest.mark.filterwarnings(each) for each in LOADING]
FACTS = RunFacts({"seed": 0, "data": {"size": 32, "note": "x" * 9000}}, {"torch": "2"}, 0, LoggedMetrics())


class Recorder(RunLogger):
    """Remembers what it is told; fails, or does not answer, at one step."""

    timeout = 0.5

    def __init__(self, fails: int = -1, hangs: int = -1) -> None:
        self.fails, self.hangs, self.go_on = fails, hangs, Event()
        self.told: list[tuple[str, int]] = []
        self.threads: set[int] = set()

    def begin(self, facts: RunFacts) -> None:
        self.told.append(("begin", facts.step))

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        self.threads.add(get_ident())
        if step == self.fails:
            raise ConnectionError("the server\nis gone")
        if step == self.hangs:
            self.go_on.wait()
        self.told.append(("numbers", step))

    def picture(self, name: str, pixels: NDArray[np.uint8], step: int) -> None: ...
    def table(self, name: str, table: LoggedTable, step: int) -> None: ...
    def embedding(self, name: str, embedding: LoggedEmbedding, step: int) -> None: ...
    def checkpoint(self, path: Path) -> None: ...

    def end(self, status: RunStatus) -> None:
        self.told.append((status, 0))

    def later(self) -> str:
        return "It is lost."


def log_twenty(*guards: GuardedLogger) -> None:
    for guard in guards:
        guard.do(lambda tracker: tracker.begin(FACTS))
    for step in range(20):
        for guard in guards:
            guard.log_metrics({"x/y": float(step), "a,b (c)": float("nan")}, step)
    for guard in guards:
        guard.end(RunStatus.FINISHED)


def note_threads(tracker: RunLogger, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Threads in which a tracker begins and logs; whoever logs must not wait for it."""
    begin, numbers, threads = tracker.begin, tracker.numbers, set()

    def begin_noted(facts: RunFacts) -> None:
        threads.add(get_ident())
        begin(facts)

    def numbers_noted(values: Mapping[str, float], step: int) -> None:
        threads.add(get_ident())
        numbers(values, step)

    monkeypatch.setattr(tracker, "begin", begin_noted)
    monkeypatch.setattr(tracker, "numbers", numbers_noted)
    return threads


def test_one_that_raises_is_named_once_and_left_out_while_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Recorder(fails=3), Recorder()
    log_twenty(GuardedLogger("bad", bad), GuardedLogger("good", good))
    assert good.told == [("begin", 0), *(("numbers", step) for step in range(20)), (RunStatus.FINISHED, 0)]
    assert bad.told == [("begin", 0), ("numbers", 0), ("numbers", 1), ("numbers", 2), (RunStatus.FAILED, 0)]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == ["logger=bad failed"]
    assert "ConnectionError: the server is gone" in caplog.text
    assert "It is lost." in caplog.text
    assert get_ident() not in good.threads


def test_one_that_does_not_answer_holds_up_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Recorder(hangs=3)  # until this thread lets it go on, after all is logged
    guard = GuardedLogger("slow", slow)
    wait, waited = guard.wait, []

    def note(seconds: float) -> bool:
        waited.append(seconds)
        return wait(seconds)

    monkeypatch.setattr(guard, "wait", note)
    log_twenty(guard)
    assert waited == [slow.timeout]  # at the end, once
    assert slow.told == [("begin", 0), *(("numbers", step) for step in range(3))]
    assert caplog.text.count("logger=slow failed (it has not answered for 0 s)") == 1
    guard.log_metrics({"x": 1.0}, 21)
    slow.go_on.set()


def test_one_that_falls_behind_is_given_up(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candelabra.loggers.guard.MAX_QUEUED_CALLS", 5)
    slow = Recorder(hangs=0)
    log_twenty(GuardedLogger("slow", slow))
    slow.go_on.set()
    assert caplog.text.count("logger=slow failed (it has not answered while 5 things were logged)") == 1


def test_a_full_disk_costs_csv_and_tensorboard_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(self: RecordWriter) -> None:
        raise OSError(28, "No space left on device")

    csv, board, other = (
        GuardedLogger("csv", CsvLogger(str(tmp_path))),
        GuardedLogger("tensorboard", TensorboardLogger(str(tmp_path))),
        Recorder(),
    )
    for guard in (csv, board):
        guard.do(lambda tracker: tracker.begin(FACTS))
        assert guard.wait(60)
    (tmp_path / "metrics.csv").symlink_to("/dev/full")
    monkeypatch.setattr(RecordWriter, "flush", full)
    for step in range(3):
        for guard in (csv, board):
            guard.log_metrics({"x": 1.0}, step)
    for guard in (csv, board):
        guard.end(RunStatus.FINISHED)
    log_twenty(GuardedLogger("other", other))
    named = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sorted(words.split(" (")[0] for words in named) == ["logger=csv failed", "logger=tensorboard failed"]
    assert all("No space left on device" in words for words in named)
    assert len(other.told) == 22


@pytest.mark.parametrize("answers", [False, True], ids=["gone", "hanging"])
def test_a_server_that_is_gone_or_hangs_costs_mlflow_alone(
    answers: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not answers:
            server.close()
        guard = GuardedLogger(
            "mlflow", MlflowLogger(str(tmp_path / "run"), uri=f"http://127.0.0.1:{port}", timeout=90.0)
        )
        threads = note_threads(guard.tracker, monkeypatch)
        log_twenty(guard)
    assert get_ident() not in threads
    assert guard.failed
    assert caplog.text.count("logger=mlflow failed (") == 1
    assert f"`candelabra train resume={tmp_path / 'run'}` sends the numbers" in caplog.text


def test_wandb_goes_on_offline_where_its_server_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.delenv("WANDB_MODE")
    folder = tmp_path / "run"
    folder.mkdir()
    guard = GuardedLogger("wandb", WandbLogger(str(folder), timeout=2.0))
    assert isinstance(guard.tracker, WandbLogger)
    assert not guard.tracker.offline
    threads, wait = note_threads(guard.tracker, monkeypatch), guard.wait
    monkeypatch.setattr(guard, "wait", lambda seconds: wait(300))  # however slow this machine is
    log_twenty(guard)
    assert threads
    assert get_ident() not in threads
    assert not guard.failed
    assert caplog.text.count("logger=wandb goes on offline") == 1
    assert f"`wandb sync {folder / 'wandb'}/offline-run-*`" in caplog.text
    (file,) = (folder / "wandb").glob("offline-run-*/*.wandb")
    assert [step for key, step, _ in of_wandb(file)[0] if key == "x/y"] == list(range(20))


def test_mlflow_gets_what_it_lacks_when_a_run_goes_on_and_takes_any_name_and_length(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    whole, short = [
        GuardedLogger(word, made)
        for word, made in (("csv", CsvLogger(str(folder))), ("mlflow", MlflowLogger(str(folder))))
    ]
    for guard in (whole, short):
        guard.do(lambda tracker: tracker.begin(FACTS))
    for step in range(6):
        whole.log_metrics({"x": step / 2, "a,b (c)": 1.0}, step)
        if step < 4:  # then its server was gone
            short.log_metrics({"x": step / 2, "a,b (c)": 1.0}, step)
    assert short.wait(300)  # a slow machine needs longer to create the database than a stopped run waits
    whole.end(RunStatus.FINISHED)
    short.end(RunStatus.STOPPED)
    again = GuardedLogger("mlflow", MlflowLogger(str(folder)))
    again.do(lambda tracker: tracker.begin(RunFacts(FACTS.config, FACTS.code, 5, read_logged_metrics(folder))))
    again.log_metrics({"x": 2.5}, 5)
    again.end(RunStatus.FINISHED)
    assert not short.failed
    assert not again.failed
    numbers, found, _ = of_mlflow(folder, tmp_path)
    assert numbers == [("a_b _c_", s, 1.0) for s in range(5)] + [("x", s, s / 2) for s in range(6)]
    assert len(found.data.params["data.note"]) == 500
    assert len(of_csv(folder)) == 12


def test_training_ends_well_though_a_tracker_raises_from_its_first_word_on(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: TensorboardLogger, facts: RunFacts) -> None:
        raise PermissionError(13, "not yours")

    monkeypatch.setattr(TensorboardLogger, "begin", refuse)
    words = ["task=classification", "data.count=60", "data.size=32", "epochs=1", "logger=tensorboard"]
    run_train(tiny(*words))
    assert "test/score" in json.loads((tmp_path / "train" / "results.json").read_text())
    assert {"train/loss", "gradient_norm"} <= {key for key, *_ in of_csv(tmp_path / "train")}
    assert caplog.text.count("logger=tensorboard failed (PermissionError") == 1


def test_a_word_that_is_wrong_or_a_library_that_lacks_is_refused_beforehand(
    tiny: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CandelabraError, match=r"logger.wandb.projct is not known; .* takes project"):
        resolve_config(tiny("logger=[csv,wandb]", "+logger.wandb.projct=x"))
    with pytest.raises(CandelabraError, match=r"logger.mlflow.timeout=long has the wrong type"):
        resolve_config(tiny("logger=mlflow", "logger.mlflow.timeout=long"))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(CandelabraError, match=r"pip install 'candelabra\[mlflow\]'"):
        MlflowLogger(str(tmp_path))
    assert resolve_config(tiny("logger=none"))["logger"] == {}
    assert list(resolve_config(tiny("logger=[default,wandb,mlflow]"))["logger"]) == [
        "csv",
        "tensorboard",
        "wandb",
        "mlflow",
    ]
