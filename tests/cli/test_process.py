"""A process of the command line: what it loads, and how it ends."""

import subprocess
import sys
from pathlib import Path

from tests.data.files import make_folder
from tests.forked import run_forked
from tests.small_runs import TINY

UNUSED = (
    *("wandb", "tensorboard", "mlflow", "pandas", "sklearn", "datasets", "peft", "onnx", "plotly", "torchjd"),
    *("torch._dynamo", "sympy", "triton.runtime", "scipy.signal", "scipy.stats", "matplotlib", "transformers"),
)
PREDICT = f"""
import gc, sys
from candelabra.cli import main, process
run = main.main
def run_and_look():
    run()
    print("LOADED", [name for name in {UNUSED} if name in sys.modules])
    print("COLLECTS", gc.isenabled(), gc.get_freeze_count() > 100_000)
main.main = run_and_look
process.run_process()
"""
LEAVE = """
import atexit, sys, threading, time
from candelabra.cli import main, process
class Told:
    def __del__(self): print("freed")
told = Told()
def run():
    atexit.register(print, "handler")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    print("unflushed", end=" ")
    {end}
main.main = run
process.run_process()
"""


def run_python(code: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_predict_loads_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos")
    words = [*TINY, "task=classification", "data.count=48", "data.size=32", "epochs=1", "folder=first"]
    trained = run_forked(["train", *words], tmp_path)
    assert trained.returncode == 0, trained.stderr
    done = run_python(PREDICT, "predict", "checkpoint=first", "source=photos", "folder=answers", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert "COLLECTS True True" in done.stdout
    assert (tmp_path / "answers" / "predictions.csv").is_file()


def test_a_process_ends_after_threads_and_exit_handlers_and_frees_nothing(tmp_path: Path) -> None:
    done = run_python(LEAVE.format(end="sys.exit(75)"), cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (75, ["unflushed", "thread", "handler"])
    assert run_python(LEAVE.format(end=""), cwd=tmp_path).returncode == 0


def test_an_error_that_passes_is_left_to_python(tmp_path: Path) -> None:
    done = run_python(LEAVE.format(end="raise RuntimeError('odd')"), cwd=tmp_path)
    assert (done.returncode, done.stdout.split()) == (1, ["unflushed", "thread", "handler", "freed"])
    assert "RuntimeError: odd" in done.stderr
