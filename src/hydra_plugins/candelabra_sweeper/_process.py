"""The process of a job: in a group of its own, ends with the sweep, and writes its output to a file."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

# Who this process is among others of a run of several processes; its jobs are no part of that run.
_LEAKS: tuple[str, ...] = (
    "LOCAL_RANK",
    "RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "ROLE_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
)
_LEAKS += ("MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED")
_LEAKS += ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_STEP_ID")
_LEAKING = "TORCHELASTIC_"  # and all that begins so
_END_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


@final
class JobProcess:
    """Starts a job in a process.

    Args:
        command: interpreter and arguments.
        environment: variables to add to this process's own.
        log: file to which its output is appended.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not (key in _LEAKS or key.startswith(_LEAKING))}
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                command,
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C comes from the sweep, once
                preexec_fn=_ends_with(os.getpid()),
            )

    @property
    def number(self) -> int:
        """The process id."""
        return self.process.pid

    def ended(self) -> int | None:
        """Returns the exit code once it has ended, after killing what it started; None before."""
        code = self.process.poll()
        if code is not None:
            self.kill()
        return code

    def stop(self) -> None:
        """Sends SIGTERM to the process, which passes it on."""
        with suppress(ProcessLookupError):
            self.process.terminate()

    def kill(self) -> None:
        """Kills the process and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


def _ends_with(parent: int) -> Callable[[], None] | None:
    """Returns a function for the child that requests SIGTERM when the sweep is killed (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_END_WITH_PARENT, signal.SIGTERM)
        if os.getppid() != parent:  # it was killed before we asked
            os._exit(1)

    return ask
