"""Folders: that of the sweep, held by one process at a time, and those of its jobs."""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from ._errors import SweepError
from ._jobs import JOBS, Job, State
from ._returned import RETURNED

_LOCK = ".lock"
_PATIENCE = 60.0  # seconds for a job whose sweep was killed to save and end


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """The folder of a sweep belongs to this process; the system gives it back, however the process ends.

    Raises:
        SweepError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise SweepError(
                f"{folder} is at work already ({file.read() or 'another process'}); wait for it or end it first, or "
                "give another folder with hydra.sweep.dir=<folder>."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


def job_folder(config: DictConfig, context: HydraContext, words: Sequence[str], number: int) -> Path:
    """Where a job goes; its words are composed for it, so what does not compose is found here.

    Args:
        config: of the sweep.
        context: Hydra's.
        words: of the job.
        number: of the job.

    Raises:
        HydraException: the words do not compose.
    """
    folder = Path(str(config.hydra.sweep.dir))  # what tells of the sweep is not among the words of a job
    composed = context.config_loader.load_sweep_config(config, list(words))
    with open_dict(composed):
        composed.hydra.sweep.dir = str(folder)
        composed.hydra.job.num = number
        composed.hydra.job.id = str(number)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composed)
    try:
        return folder / str(composed.hydra.sweep.subdir)
    finally:
        HydraConfig.instance().cfg = before


def await_orphans(jobs: Sequence[Job], sweep: Path) -> None:
    """Waits for jobs that are still saving after their sweep was killed.

    Raises:
        SweepError: one does not end.
    """
    deadline = time.monotonic() + _PATIENCE
    for job in jobs:
        while job.now is State.RUNNING and _works_on(job.process, write_marker(job, sweep)):
            if time.monotonic() > deadline:
                raise SweepError(f"Job {job.number} still runs, as process {job.process} on {job.host}; end it first.")
            time.sleep(0.1)
        if job.state is State.RUNNING and job.host == socket.gethostname():
            _end_group(job.process, write_marker(job, sweep))


def _end_group(leader: int | None, mark: bytes) -> None:
    """Further processes of a job whose first has ended, a rank that waits for the others, say."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            group = int(path.read_text().rpartition(")")[2].split()[2])
            if group == leader and _works_on(int(path.parent.name), mark):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue


def write_marker(job: Job, sweep: Path) -> bytes:
    """What the environment of a job's processes has, and no other's."""
    return os.fsencode(f"{RETURNED}={(sweep / JOBS / f'{job.number:06d}.returned').resolve()}")


def _works_on(process: int | None, mark: bytes) -> bool:
    """Whether a process is of that job: the system gives numbers again."""
    try:
        return mark in Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()
