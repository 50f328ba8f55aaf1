"""Runs a logger in a thread of its own, so that its delays and errors do not affect training."""

import logging
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Full, Queue
from threading import Thread
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from candelabra.loggers.logger import RunLogger, RunStatus

log = logging.getLogger(__name__)
LoggerCall = Callable[[RunLogger], None]
_STOP_TIMEOUT = 15.0  # seconds that a stopped or failed run waits for a logger to finish
MAX_QUEUED_CALLS = 10_000  # calls that may wait in the queue


class GuardedLogger(Logger):
    """Calls a logger in a thread of its own, on rank 0.

    The first error is logged as one warning, and the logger is not called again. The same holds if it does not finish
    in time at the end of the run, or if too many calls wait for it.

    Args:
        word: its name on the command line, `logger=<word>`.
        tracker: the logger; nothing else may call it.
    """

    def __init__(self, word: str, tracker: RunLogger) -> None:
        super().__init__()
        self.word, self.tracker = word, tracker
        self.queue: Queue[LoggerCall | None] = Queue(MAX_QUEUED_CALLS)
        self.thread: Thread | None = None
        self.failed, self.ended = False, False

    @rank_zero_only
    def do(self, work: LoggerCall) -> None:
        """Queues a call of the logger."""
        if self.failed or self.ended:
            return
        if self.thread is None:
            self.thread = Thread(target=self._work, name=f"logger-{self.word}", daemon=True)
            self.thread.start()
        try:
            self.queue.put_nowait(work)
        except Full:
            self._fail(f"it has not answered while {MAX_QUEUED_CALLS} things were logged")

    def wait(self, seconds: float) -> bool:
        """Waits for the queued calls, at most so many seconds; returns whether all are done."""
        queue = self.queue
        with queue.all_tasks_done:
            return queue.all_tasks_done.wait_for(lambda: self.failed or not queue.unfinished_tasks, seconds)

    @rank_zero_only
    def end(self, status: RunStatus) -> None:
        """Ends the run; later calls are ignored."""
        self.do(lambda tracker: tracker.end(status))
        self.ended = True
        limit = self.tracker.timeout if status is RunStatus.FINISHED else min(self.tracker.timeout, _STOP_TIMEOUT)
        if not self.wait(limit):
            self._fail(f"it has not answered for {limit:.0f} s")
        elif not self.failed:
            self.queue.put(None)  # ends the thread

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        values = {key: float(value) for key, value in metrics.items()}
        self.do(lambda tracker: tracker.numbers(values, step or 0))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Does nothing: `RunLogger.begin` gets the whole config."""

    @property
    def name(self) -> str:
        return self.word

    @property
    def version(self) -> str:
        return ""

    def _work(self) -> None:
        while (work := self.queue.get()) is not None:
            try:
                if not self.failed:
                    work(self.tracker)
            except (Exception, SystemExit) as error:  # any error of a library, disk or server
                self._fail(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
                with suppress(Exception, SystemExit):
                    self.tracker.end(RunStatus.FAILED)
            finally:
                self.queue.task_done()

    def _fail(self, why: str) -> None:
        if self.failed:
            return
        self.failed = True
        log.warning(
            "logger=%s failed (%s): training goes on without it. metrics.csv and pictures/ in the run folder have what "
            "it lacks from here on. %s",
            self.word,
            why,
            self.tracker.later(),
        )
        with self.queue.all_tasks_done:
            self.queue.all_tasks_done.notify_all()


def guard_loggers(loggers: Sequence[Logger]) -> list[GuardedLogger]:
    """Returns the guarded loggers among those of a trainer."""
    return [logger for logger in loggers if isinstance(logger, GuardedLogger)]
