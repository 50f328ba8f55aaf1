"""Detection of lost ranks: reports which one ended, and how to resume the run."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from candelabra.environment import RUN_VARIABLE
from candelabra.errors import Interrupted
from candelabra.runs.checkpoints import list_checkpoints

_POLL = 0.2  # seconds; Lightning polls every 5 s, then kills all processes without a message
_GRACE = 3.0  # seconds after which a process with a closed connection has ended
_SIGNS = ("closed by peer", "reset by peer", "Broken pipe", "timed out", "Timed out", "imeout", "remote process exited")


class PeerMonitor(threading.Thread):
    """Reports which rank ended early, and how; Lightning then ends the others.

    Args:
        processes: those of ranks 1, 2, ...
    """

    def __init__(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        super().__init__(daemon=True)
        self.processes = processes

    def run(self) -> None:
        while not any(self.codes()):
            if all(code == 0 for code in self.codes()):
                return
            time.sleep(_POLL)
        for rank, code in enumerate(self.codes(), 1):
            if code and code != Interrupted.code:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
                print(f"rank {rank} {how}; the others end too", file=sys.stderr, flush=True)

    def codes(self) -> list[int | None]:
        """Exit codes by process; none while it runs."""
        return [process.poll() for process in self.processes]


def watch_peers(launcher: object) -> None:
    """Starts a monitor of the processes that Lightning's launcher started on this machine."""
    if isinstance(launcher, _SubprocessScriptLauncher) and launcher.procs:
        PeerMonitor(launcher.procs).start()


@contextmanager
def announce_run(folder: Path) -> Iterator[None]:
    """Sets RUN_VARIABLE to the folder of the run, so that ranks started meanwhile read its config.yaml."""
    os.environ[RUN_VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        os.environ.pop(RUN_VARIABLE, None)


@contextmanager
def monitor_peers(trainer: L.Trainer, folder: Path) -> Iterator[None]:
    """Raises `Interrupted` when a peer rank is lost.

    Raises:
        Interrupted: another rank ended or does not answer.
    """
    try:
        yield
    except RuntimeError as error:
        gone = report_lost_peer(error, trainer, folder) if trainer.world_size > 1 else None
        if gone is None:
            raise
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun sends it, before the message below is printed
        raise gone from error


def report_lost_peer(error: RuntimeError, trainer: L.Trainer, folder: Path) -> Interrupted | None:
    """Returns `Interrupted` with a message if the error means a lost rank, else none."""
    words = str(error).partition("\n")[0]
    gone = isinstance(error, torch.distributed.DistNetworkError | torch.distributed.DistStoreError)
    if not gone and not any(sign in words for sign in _SIGNS):
        return None  # an error that a resumed run would meet again
    for thread in threading.enumerate():
        if isinstance(thread, PeerMonitor):
            thread.join(_GRACE)  # it prints which rank ended
    return Interrupted(
        f"rank {trainer.global_rank} lost another one at step {trainer.global_step}, which is gone or too late; "
        + (
            f"resume={folder} goes on from the newest checkpoint"
            if list_checkpoints(folder)
            else "there is no checkpoint yet"
        )
    )
