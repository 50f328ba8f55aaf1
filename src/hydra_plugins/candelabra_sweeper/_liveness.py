"""Whether a process still runs, and for which job. Process ids are used again, so an id alone proves nothing."""

import os
import signal

import psutil

_CLOCK_TOLERANCE = 2.0  # seconds by which the kernel's clock and the wall clock may differ


def is_running_since(process: int | None, since: float | None) -> bool:
    """Whether a process exists that was started before a time.

    Args:
        process: its id.
        since: seconds since 1970; null accepts any process of that id.
    """
    if process is None or not psutil.pid_exists(process):
        return False
    try:
        return since is None or psutil.Process(process).create_time() < since + _CLOCK_TOLERANCE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # another user's: its start cannot be read
        return True


def has_variable(process: int | None, name: str, value: str) -> bool:
    """Whether a process exists whose environment has a variable with this value."""
    if process is None:
        return False
    try:
        return psutil.Process(process).environ().get(name) == value
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # another user's is none of ours
        return False


def kill_group(leader: int | None, name: str, value: str) -> None:
    """Kills what is left of a process group, such as ranks that wait for one that has ended.

    Args:
        leader: process id that the group is named after.
        name: of an environment variable that all its processes have.
        value: of that variable.
    """
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and has_variable(process.pid, name, value):
                os.kill(process.pid, signal.SIGKILL)
        except OSError:  # it has ended meanwhile
            continue
