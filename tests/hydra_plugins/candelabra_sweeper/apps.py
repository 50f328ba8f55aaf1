"""A small Hydra program that is no part of candelabra, and its sweeps."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

APP = """
import os, signal, sys, time
import hydra
from hydra_plugins.candelabra_sweeper import _sweeper

if "PICTURES" not in os.environ:
    _sweeper.illustrate = lambda folder: None  # matplotlib and scikit-learn take longer than all jobs

asked = []

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    print("environment", *(f"{k}={os.environ.get(k)}" for k in ("LOCAL_RANK", "CUDA_VISIBLE_DEVICES")))
    print("words", *sys.argv[1:], flush=True)
    x = config.x
    if x == "boom" and not os.path.exists("mended"):
        raise ValueError("boom goes the job")
    if x == "usage":
        sys.exit(2)
    if x == "pause":
        return asked.append(1)
    if x == "wait":
        if not os.path.exists("free"):
            signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
            open("waiting", "w").close()
            while not asked:
                time.sleep(0.02)
            return None
        return 7.0
    if config.get("overlap"):  # a job ends after the next one began
        open(f"began{x}", "w").close()
        deadline = time.monotonic() + 90
        while x < config.overlap and not os.path.exists(f"began{x + 1}"):
            assert time.monotonic() < deadline, "the next job did not begin"
            time.sleep(0.02)
    kind = config.get("kind", "number")
    if kind == "mapping":
        return {"score": float(x), "cost": 1.0 / float(x), "name": "any"}
    if kind == "pair":
        return float(x), -float(x)
    if kind == "nothing":
        return None
    if kind == "pruned":
        from hydra_plugins.candelabra_sweeper import current_trial
        import optuna
        trial = current_trial()
        for step in range(3):
            trial.report(float(x), step)
            if trial.should_prune():
                raise optuna.TrialPruned()
    return 4.0 if x == "boom" else float(x)

if __name__ == "__main__":
    main()
    sys.exit(75 if asked else 0)
"""


def sweep(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a sweep to its end; draws its pictures where PICTURES is set."""
    return subprocess.run(
        command(folder, *words),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )


def begin(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Begins one."""
    return subprocess.Popen(
        command(folder, *words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def command(folder: Path, *words: str) -> list[str]:
    """Of the program in a folder."""
    app = folder / "app.py"
    if not app.exists():
        app.write_text(APP)
    return [sys.executable, "app.py", "-m", "hydra/sweeper=candelabra", "hydra.sweep.dir=sweep", *words]


def said(folder: Path, job: int, first: str) -> list[str]:
    """The lines of a job that begin with a word, without it."""
    lines = (folder / "sweep" / str(job) / "log.txt").read_text().splitlines()
    return [line.removeprefix(f"{first} ") for line in lines if line.startswith(first)]


def jobs(folder: Path) -> list[dict[str, Any]]:
    """What is written of the jobs."""
    return [json.loads(path.read_text()) for path in sorted((folder / "sweep" / "jobs").glob("*.json"))]
