"""One process holds a lock alone, or several share it; the end of a process releases it."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from candelabra.storage import SharedLock, hold_lock

HOLD = (
    "import pathlib, sys; from candelabra.storage import hold_lock\n"
    "with hold_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.readline()"
)


def test_another_process_waits_for_a_lock_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError), hold_lock(path, timeout):
                pass
        holder.stdin.write("\n")
        holder.stdin.flush()
        with caplog.at_level(logging.INFO), hold_lock(path, message="waiting"):
            pass
    assert caplog.messages in ([], ["waiting"])  # the holder may have been faster
    with hold_lock(path, timeout=0):
        pass


def test_a_killed_holder_gives_the_lock_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        with hold_lock(path, timeout=60):
            pass


def test_a_shared_lock_has_many_users_or_one(tmp_path: Path) -> None:
    one, two = SharedLock(tmp_path / "lock"), SharedLock(tmp_path / "lock")
    assert one.take_alone()
    assert not two.share()
    assert not two.take_alone()
    assert one.share()
    assert two.share()
    assert not one.take_alone()
    two.release()
    two.release()
    assert one.take_alone()
    assert not one.inherited


def test_the_package_is_light_and_imports_where_fcntl_does_not_exist() -> None:
    script = (
        "import sys; sys.modules['fcntl'] = None\n"
        "import candelabra.storage\n"
        "assert not {'torch', 'numpy', 'filelock', 'platformdirs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
