"""Seconds until help answers, until a picture is predicted and until the first training step, beside bare imports."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.reporting import parser, report

FIRST_STEP = """
import os, sys, time
begun = time.time()
from candelabra.cli import compose, main
find_command = compose.find_command
def timed(command):
    from candelabra.tasks.task import Task  # what comes next anyway
    def first(self, batch, batch_idx):
        print("SECONDS", time.time() - begun, flush=True)
        os._exit(0)
    Task.training_step = first
    return find_command(command)
compose.find_command = timed
sys.argv = ["candelabra", "train", *sys.argv[1:]]
main.main()
"""
IMPORTS = "import time; begun = time.time(); import lightning, timm; print('SECONDS', time.time() - begun)"


def seconds(code: str, *arguments: str) -> float:
    """What a fresh process says it took."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return float(run.stdout.split("SECONDS")[1].split()[0])


def wall(*command: str) -> float:
    """Wall-clock seconds of a process."""
    begun = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begun


def main() -> None:
    """Runs each in turn, so that a drift of the machine meets all alike."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    words = ("train --help", "import lightning, timm", "first training step", "predict of one picture")
    rows: dict[str, list[float]] = {word: [] for word in words}
    folder = tempfile.TemporaryDirectory()
    run, photo = Path(folder.name, "run"), Path(folder.name, "photo.png")
    Image.effect_noise((640, 480), 50).convert("RGB").save(photo)
    candelabra = [sys.executable, "-W", "ignore", "-m", "candelabra"]
    trained = ["train", "trainer=smoke", "task=classification", "data.count=60", "logger=csv", f"folder={run}"]
    subprocess.run([*candelabra, *trained], check=True, capture_output=True)
    seconds(IMPORTS)  # once, so that files are in the page cache
    for number in range(given.runs):
        predict = ["predict", f"checkpoint={run}", f"source={photo}", f"folder={folder.name}/{number}"]
        rows["predict of one picture"].append(wall(*candelabra, *predict))
        rows["train --help"].append(wall(sys.executable, "-m", "candelabra", "train", "--help"))
        rows["import lightning, timm"].append(seconds(IMPORTS))
        rows["first training step"].append(seconds(FIRST_STEP))
    pairs = zip(rows["first training step"], rows["import lightning, timm"], strict=True)
    beyond = statistics.median(step - imports for step, imports in pairs)
    report("start-up, seconds", rows, ("seconds_to_first_step_beyond_imports", beyond), given.json)


if __name__ == "__main__":
    main()
