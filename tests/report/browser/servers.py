"""Dashboards on loopback: started on a free port, waited for, and ended with all their processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE = 400  # seconds; MLflow's server imports for half a minute where processors are few and busy


@contextmanager
def served(words: Sequence[str], folder: Path) -> Iterator[str]:
    """The address of a server that `python -m <words> --host 127.0.0.1 --port <port>` starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", *words, "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with (folder / f"{words[0]}.log").open("w+") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=said, start_new_session=True, env={**os.environ, **quiet}, cwd=folder
        )
        try:
            address = f"http://127.0.0.1:{port}/"
            _wait(address, process, said.name)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)


def _wait(address: str, process: "subprocess.Popen[bytes]", log: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, Path(log).read_text()
        try:
            urlopen(address, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(Path(log).read_text())
