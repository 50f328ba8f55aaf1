"""Locks between processes. The operating system releases them when a process ends, however it ends."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)
_POLL = 0.002  # seconds between two attempts; filelock's own 0.05 would slow down workers that fill a cache


@contextmanager
def hold_lock(path: Path, timeout: float | None = None, message: str | None = None) -> Iterator[None]:
    """Holds a lock file alone; works on every system.

    Args:
        path: of the lock file, which is created where it is missing and stays.
        timeout: seconds to wait for another holder; 0 does not wait, null waits without limit.
        message: is logged once if there is another holder to wait for.

    Raises:
        TimeoutError: another process still holds the lock.
    """
    from filelock import FileLock, Timeout  # not above: it takes 30 ms

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if timeout == 0:
            raise
        if message is not None:
            log.info(message)
        lock.acquire(-1 if timeout is None else timeout, poll_interval=_POLL)
    try:
        yield
    finally:
        lock.release()


class SharedLock:
    """A lock file that many processes share, or one holds alone; filelock has no such lock.

    It uses flock(2), so it needs a POSIX system. A forked process inherits the lock and keeps it until it calls
    `release`, even after its parent has ended.

    Args:
        path: of the lock file, which is created where it is missing. Its modification time tells the last use.
    """

    def __init__(self, path: Path) -> None:
        self.descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        self.owner = os.getpid()

    @property
    def inherited(self) -> bool:
        """Whether this process is a fork of the one that opened the lock."""
        return self.owner != os.getpid()

    def share(self) -> bool:
        """Takes the lock together with others; returns False if one process holds it alone."""
        import fcntl  # not above: Windows does not have it

        return self._try(fcntl.LOCK_SH)

    def take_alone(self) -> bool:
        """Takes the lock alone; returns False if any other process has it."""
        import fcntl

        return self._try(fcntl.LOCK_EX)

    def touch(self) -> None:
        """Notes that the lock is used now."""
        if self.descriptor is not None:
            os.utime(self.descriptor)

    def release(self) -> None:
        """Gives the lock back; may be called again."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _try(self, kind: int) -> bool:
        import fcntl

        assert self.descriptor is not None, "the lock was released"
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
