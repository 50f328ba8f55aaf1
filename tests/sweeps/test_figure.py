"""Twelve trials of two ranks each, one that raises, killed in the middle and continued, over both storages."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from hydra_plugins.candelabra_sweeper._study import open_storage
from hydra_plugins.candelabra_sweeper.jobs import read_jobs
from tests.sweeps.breaking import TRIAL
from tests.test_ranks import WORDS

TRIALS = 12
SWEEP = [
    "sweep=tpe",
    f"sweep.trials={TRIALS}",
    "sweep.sampler.n_startup_trials=4",
    "lr=tag(log,interval(1e-3,1e-1))",
    "optimizer=sgd",
    "optimizer._target_=tests.sweeps.breaking.Breaking",
    "task=classification",
    "finetune=scratch",
    "logger=csv",
    "epochs=1",
    "hydra.sweep.dir=sweep",
]
STORAGES = ["sqlite:///study.db", "study.journal"]


def command(storage: str) -> list[str]:
    return [sys.executable, "-m", "candelabra.cli", "train", "-m", *WORDS, *SWEEP, f"sweep.storage={storage}"]


def swept(folder: Path, storage: str) -> tuple[list[Any], float, int]:
    """Runs the sweep, kills it in its seventh job, goes on; the trials, the seconds, and what was killed."""
    folder.mkdir()
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    begun = time.monotonic()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command(storage), cwd=folder, env=environment, stdout=said, stderr=said)
        while not (folder / "sweep" / "6" / "config.yaml").exists() and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None, (folder / "said").read_text()
        process.kill()
        process.wait()
        rest = subprocess.run(command(storage), cwd=folder, env=environment, stdout=said, stderr=said, check=False)
    assert rest.returncode == 1, (folder / "said").read_text()  # one has failed
    os.chdir(folder)
    study = optuna.load_study(study_name=None, storage=open_storage(storage))
    return study.trials, time.monotonic() - begun, rest.returncode


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_twelve_trials_of_two_ranks_survive_a_kill_and_a_failure_over_both_storages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    best = []
    for name, storage in zip(("sqlite", "journal"), STORAGES, strict=True):
        trials, seconds, _ = swept(tmp_path / name, storage)
        print(f"{name}: {seconds:.0f} s", [(trial.number, trial.state.name, trial.value) for trial in trials])
        assert [trial.number for trial in trials] == list(range(TRIALS))
        assert [trial.number for trial in trials if trial.state.name != "COMPLETE"] == [TRIAL]
        assert trials[TRIAL].state.name == "FAIL"
        assert trials[TRIAL].user_attrs["error"].endswith("this trial raises")
        jobs = read_jobs(tmp_path / name / "sweep")
        assert [job.number for job in jobs] == list(range(TRIALS))
        logs = [(tmp_path / name / "sweep" / str(number) / "log.txt").read_text() for number in range(TRIALS)]
        assert all(log.count("labelled images") == 1 for number, log in enumerate(logs) if number != 6)
        rates = [
            json.loads((tmp_path / name / "sweep" / f"{job.number}/results.json").read_text())
            for job in jobs
            if job.values
        ]
        assert [job.values["val/score"] for job in jobs if job.values] == [each["val/score"] for each in rates]
        done = [trial for trial in trials if trial.values]
        best.append(max(done, key=lambda trial: trial.value))
    assert (best[0].number, best[0].params, best[0].value) == (best[1].number, best[1].params, best[1].value)
