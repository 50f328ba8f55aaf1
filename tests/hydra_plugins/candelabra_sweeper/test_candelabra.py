"""A sweep of candelabra's own runs: refused in its words, stopped, gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from hydra_plugins.candelabra_sweeper.jobs import State, read_jobs, read_sweep
from tests.forked import run_forked
from tests.small_runs import TINY

SMALL = (*TINY, "task=classification", "data.size=32", "data.count=60")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "candelabra", "train", *words]


def test_what_is_sought_on_test_a_lost_sampler_and_a_misspelt_choice_are_refused_at_once(tmp_path: Path) -> None:
    said = []
    for words in (
        ("sweep=tpe", "sweep.objectives=[test/score:maximize]"),
        ("-m", "lr=interval(0,1)"),
        ("-m", "backbone=resnet18,resnet5O"),
        ("sweep=nsga2", "sweep/pruner=median"),
    ):
        run = run_forked(["train", *words], tmp_path)
        assert run.returncode == 2, run.stdout + run.stderr
        said.append(run.stderr.strip().splitlines()[-1])
    assert "nothing is chosen by test/score; allowed are val/*, milliseconds_per_image" in said[0]
    assert "infinitely many values" in said[1]
    assert "backbone=resnet5O is not known; allowed are resnet50" in said[2]
    assert "there are 2 (val/score, milliseconds_per_image)" in said[3]


@pytest.mark.slow
@pytest.mark.timeout(2000)
def test_a_stopped_sweep_goes_on_where_its_runs_were(tmp_path: Path) -> None:
    words = ("-m", *SMALL, "seed=0,1", "epochs=12", "save.steps=2", "hydra.sweep.dir=sweep")
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command(*words), cwd=tmp_path, stdout=said, stderr=said)
        first = tmp_path / "sweep" / "0"
        deadline = time.monotonic() + 300
        while not (first / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == EXIT_INTERRUPTED, (tmp_path / "said").read_text()
    (job,) = read_jobs(tmp_path / "sweep")
    assert job.state is State.STOPPED
    assert not (first / "results.json").exists()
    rest = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert rest.returncode == 0, rest.stdout + rest.stderr
    jobs = read_jobs(tmp_path / "sweep")
    assert [job.state for job in jobs] == [State.FINISHED] * 2
    assert [len(job.values) for job in jobs] == [1, 1]
    results = json.loads((first / "results.json").read_text())
    assert results["val/score"] == jobs[0].values["val/score"]
    assert "interrupted at step" in (first / "log.txt").read_text()
    alone = subprocess.run(
        command(*SMALL, "seed=0", "epochs=12", "hydra.run.dir=alone"), cwd=tmp_path, env=os.environ, check=False
    )
    assert alone.returncode == 0
    whole = json.loads((tmp_path / "alone" / "results.json").read_text())
    assert {key: whole[key] for key in whole if "/" in key} == {key: results[key] for key in results if "/" in key}
    assert read_sweep(tmp_path / "sweep").objectives == {"val/score": "maximize"}
