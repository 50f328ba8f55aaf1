"""Twelve trials of two ranks each, one that raises, killed in the middle and continued, over both storages."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest

from hydra_plugins.candelabra_sweeper._study import open_storage
from hydra_plugins.candelabra_sweeper.jobs import State, read_jobs
from tests.hydra_plugins.candelabra_sweeper.breaking import TRIAL
from tests.hydra_plugins.candelabra_sweeper.test_traps import APP
from tests.training.test_ranks import WORDS

TRIALS, KILLED = 12, 6
STORAGES = ["sqlite:///{}/study.db", "{}/study.journal"]
LR = "lr=tag(log,interval(1e-3,1e-1))"
SMALL = """
import sys, time, hydra
from hydra_plugins.candelabra_sweeper import read_job_context
@hydra.main(version_base="1.3", config_path=None)
def main(config):
    print("BEGIN rank=0", flush=True)
    time.sleep(1)
    if read_job_context().trial == 5:
        raise RuntimeError("this trial raises")
    return (config.lr - 0.01) ** 2
main()
"""
PROGRAMS = {
    "small": [],
    "lightning": [
        "app.py",
        "-m",
        "hydra/sweeper=candelabra",
        "hydra/sweeper/sampler=tpe",
        "hydra.sweeper.sampler.n_startup_trials=4",
        f"hydra.sweeper.trials={TRIALS}",
        "hydra.sweep.dir=sweep",
        f"+{LR}",
        "hydra.sweeper.storage={storage}",
    ],
    "candelabra": [
        "-m",
        "candelabra.cli.main",
        "train",
        *WORDS,
        "sweep=tpe",
        f"sweep.trials={TRIALS}",
        "sweep.sampler.n_startup_trials=4",
        "sweep.study=sweep",
        "hydra.sweep.dir=sweep",
        LR,
        "sweep.storage={storage}",
        "optimizer=sgd",
        "optimizer._target_=tests.hydra_plugins.candelabra_sweeper.breaking.Breaking",
        "task=classification",
        "finetune=scratch",
        "logger=csv",
        "epochs=1",
    ],
}


PROGRAMS["small"] = PROGRAMS["lightning"]


def swept(folder: Path, program: str, storage: str) -> list[Any]:
    """Runs the sweep, kills it in its seventh job, goes on; the trials."""
    folder.mkdir()
    (folder / "app.py").write_text(SMALL if program == "small" else APP)
    command = [sys.executable, "-W", "ignore", *(word.format(storage=storage) for word in PROGRAMS[program])]
    path = os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        log = folder / "sweep" / str(KILLED) / "log.txt"
        while not (log.exists() and log.stat().st_size) and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None, (folder / "said").read_text()
        process.kill()
        process.wait()
        assert [job.state for job in read_jobs(folder / "sweep")][-1] is State.RUNNING
        rest = subprocess.run(command, cwd=folder, env=environment, stdout=said, stderr=said, check=False)
    assert rest.returncode == 1, (folder / "said").read_text()  # one has failed
    study = optuna.load_study(study_name=None, storage=open_storage(storage))
    return study.trials


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("program", PROGRAMS)
def test_twelve_trials_of_two_ranks_survive_a_kill_and_a_failure_over_both_storages(
    program: str, tmp_path: Path
) -> None:
    best = []
    for name, storage in zip(("sqlite", "journal"), STORAGES, strict=True):
        folder = tmp_path / name
        address = storage.format(folder)
        begun = time.monotonic()
        trials = swept(folder, program, address)
        said = [(trial.number, trial.state.name, trial.value) for trial in trials]
        print(f"{program}, {storage}: {time.monotonic() - begun:.0f} s", *said, sep="\n")
        assert [trial.number for trial in trials] == list(range(TRIALS))
        assert [trial.number for trial in trials if trial.state.name != "COMPLETE"] == [TRIAL]
        assert trials[TRIAL].state.name == "FAIL"
        assert trials[TRIAL].user_attrs["error"].endswith("this trial raises")
        jobs = read_jobs(folder / "sweep")
        assert [job.number for job in jobs] == list(range(TRIALS))
        assert [next(iter(job.values.values()), None) for job in jobs] == [trial.value for trial in trials]
        logs = [(folder / "sweep" / str(number) / "log.txt").read_text() for number in range(TRIALS)]
        begins = [log.count("labelled images" if program == "candelabra" else "BEGIN rank=0") for log in logs]
        assert [number for number, count in enumerate(begins) if count != 1 and number != KILLED] == []
        done = [trial for trial in trials if trial.values]
        best.append(max(done, key=lambda trial: trial.value))
    assert (best[0].number, best[0].params, best[0].value) == (best[1].number, best[1].params, best[1].value)
