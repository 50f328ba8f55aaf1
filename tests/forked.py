"""Commands of candelabra, and modules, in processes of their own, forked from one that has loaded the libraries.

A start takes milliseconds in place of seconds. `python -m tests.forked` serves: a line of JSON a command on standard
input, its exit code on standard output.
"""

import gc
import json
import os
import pkgutil
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]


def run_forked(
    words: Sequence[str],
    folder: Path,
    environment: dict[str, str] | None = None,
    hidden: Sequence[str] = (),
    module: str = "candelabra",
    timeout: float = 240.0,
) -> subprocess.CompletedProcess[str]:
    """Runs `python -W ignore -m <module> <words>` in a folder, with variables beside those of this process.

    Packages that are `hidden` cannot be imported there. After so many seconds the process is killed.
    """
    server = start_server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as kept:
        printed = [Path(kept, name) for name in ("stdout", "stderr")]
        job = {
            "module": module,
            "words": list(words),
            "folder": str(folder),
            "hidden": list(hidden),
            "environment": {**os.environ, **(environment or {})},
            "printed": [str(path) for path in printed],
            "timeout": timeout,
        }
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(list(words), code, *(path.read_text() for path in printed))


@cache
def start_server() -> subprocess.Popen[str]:
    """The process that forks: one a test process, which it ends with."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.forked"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def serve() -> None:
    from hydra._internal.hydra import Hydra

    import candelabra.commands
    from tests.compositions import compose_anew
    from tests.small_runs import composed

    Hydra.get_mode = get_typed_mode  # type: ignore[assignment, method-assign]
    for found in pkgutil.iter_modules(candelabra.commands.__path__):
        import_module(f"candelabra.commands.{found.name}")
    for command in ("train", "predict", "check"):
        compose_anew(command, [])  # Hydra imports its plug-ins and parses files, which forked processes need not
    for task in ("multitask", "classification"):
        composed("train", f"task={task}")
    for name in ("pandas", "sklearn.metrics", "tests.training.signalled_run", "tests.data.mutants"):
        import_module(name)  # a run imports some of it late
    gc.freeze()  # forked processes share these objects, and need not look at them
    for line in sys.stdin:
        job = json.loads(line)
        if (child := os.fork()) == 0:
            run_job(job)
        end = os.pidfd_open(child)
        if not select.select([end], [], [], job["timeout"])[0]:
            os.kill(child, signal.SIGKILL)
        os.close(end)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def get_typed_mode(hydra: Any, config_name: str | None, overrides: Sequence[str]) -> Any:
    """Hydra composes once more for the mode, which no config of ours sets; that is half of what a refusal takes."""
    from hydra.types import RunMode

    typed = [word.partition("=")[2] for word in overrides if word.startswith("hydra.mode=")]
    return RunMode[typed[-1]] if typed else None


def run_job(job: dict[str, Any]) -> NoReturn:
    """Turns this process into that of a command."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(job["printed"], 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.path[0] = job["folder"]
    sys.modules |= dict.fromkeys(job["hidden"])  # type: ignore[arg-type] # None: Python's mark of what is not there
    sys.argv = [job["module"], *job["words"]]
    code: Any = 0
    try:
        runpy.run_module(job["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # an ordinary end frees all that is loaded, which takes seconds


if __name__ == "__main__":
    serve()
