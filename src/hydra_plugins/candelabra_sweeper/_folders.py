"""The folder of a sweep, held by one process at a time, and the folders of its jobs."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict

from ._errors import SweepError
from ._jobs import JOBS, Job, State
from ._liveness import has_variable, kill_group
from ._returned import RETURNED

_LOCK = ".lock"
_PATIENCE = 60.0  # seconds for a job whose sweep was killed to save and end


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Holds the lock of a sweep's folder; the operating system releases it when this process ends, however it ends.

    Raises:
        SweepError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _LOCK
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SweepError(
            f"Another sweep uses {folder} ({path.read_text() or 'unknown process'}); wait for it or end it first, or "
            "give another folder with hydra.sweep.dir=<folder>."
        ) from error
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")  # for the message above
        yield
    finally:
        lock.release()


def job_folder(config: DictConfig, context: HydraContext, words: Sequence[str], number: int) -> Path:
    """Returns the folder of a job; composes its config, so errors in its words are raised here.

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
    """Waits for jobs that still save a checkpoint after their sweep was killed.

    Raises:
        SweepError: one does not end.
    """
    deadline = time.monotonic() + _PATIENCE
    for job in jobs:
        while job.now is State.RUNNING and has_variable(job.process, RETURNED, returned_path(job, sweep)):
            if time.monotonic() > deadline:
                raise SweepError(f"Job {job.number} still runs, as process {job.process} on {job.host}; end it first.")
            time.sleep(0.1)
        if job.state is State.RUNNING and job.host == socket.gethostname():
            kill_group(job.process, RETURNED, returned_path(job, sweep))


def returned_path(job: Job, sweep: Path) -> str:
    """The file for what a job returns; the environment of its processes names it, and of no others."""
    return str((sweep / JOBS / f"{job.number:06d}.returned").resolve())
