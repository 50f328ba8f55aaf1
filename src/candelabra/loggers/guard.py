"""A tracker as Lightning's logger: it works beside training, and its failing costs nothing but itself."""

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
_IN_A_HURRY = 15.0  # seconds that a run waits for a tracker when it was told to stop, or failed
CLOSE_TIMEOUT = 10_000  # things to log that may wait for a tracker that does not answer


class GuardedLogger(Logger):
    """Hands what is logged to a tracker in a thread of its own, on rank 0 alone.

    The first error of the tracker is said in one warning; from then on it is left out. So is one that does not answer
    in time at the end, or that falls behind too far.

    Args:
        word: what the user calls it, `logger=<word>`.
        tracker: to be called; by nobody else.
    """

    def __init__(self, word: str, tracker: RunLogger) -> None:
        super().__init__()
        self.word, self.tracker = word, tracker
        self.queue: Queue[LoggerCall | None] = Queue(CLOSE_TIMEOUT)
        self.thread: Thread | None = None
        self.failed, self.ended = False, False

    @rank_zero_only
    def do(self, work: LoggerCall) -> None:
        """Lets the tracker do something, when its turn comes."""
        if self.failed or self.ended:
            return
        if self.thread is None:
            self.thread = Thread(target=self._work, name=f"logger-{self.word}", daemon=True)
            self.thread.start()
        try:
            self.queue.put_nowait(work)
        except Full:
            self._fail(f"it has not answered while {CLOSE_TIMEOUT} things were logged")

    def wait(self, seconds: float) -> bool:
        """Until all that was to be done is done, but no longer than this; whether it is."""
        queue = self.queue
        with queue.all_tasks_done:
            return queue.all_tasks_done.wait_for(lambda: self.failed or not queue.unfinished_tasks, seconds)

    @rank_zero_only
    def end(self, status: RunStatus) -> None:
        """Closes the run; nothing can be logged any more."""
        self.do(lambda tracker: tracker.end(status))
        self.ended = True
        limit = self.tracker.timeout if status is RunStatus.FINISHED else min(self.tracker.timeout, _IN_A_HURRY)
        if not self.wait(limit):
            self._fail(f"it has not answered for {limit:.0f} s")
        elif not self.failed:
            self.queue.put(None)  # the thread may go

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        values = {key: float(value) for key, value in metrics.items()}
        self.do(lambda tracker: tracker.numbers(values, step or 0))

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole config is told by `Tracker.begin`."""

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
            except (Exception, SystemExit) as error:  # whatever libraries, disks and servers come up with
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
    """Those of a trainer's loggers that are ours."""
    return [logger for logger in loggers if isinstance(logger, GuardedLogger)]
