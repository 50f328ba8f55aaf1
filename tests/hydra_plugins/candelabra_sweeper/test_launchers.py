"""Launchers of others under our sweeper: submitit on this machine, submitit's way through SLURM, and Ray."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import MissingConfigException

from candelabra.cli.exit_codes import format_error
from tests.hydra_plugins.candelabra_sweeper.apps import jobs, sweep
from tests.small_runs import TINY

SLURM = {
    "sbatch": """#!/bin/sh
cp "$1" "$KEPT/script.sh"
echo "Submitted batch job 77"
for task in 0 1; do
    export SLURM_ARRAY_TASK_ID=$task
    (sleep 2; exec sh "$1") > /dev/null 2>&1 &
done
""",
    "srun": """#!/bin/sh
while [ "$1" != "${1#-}" ]; do
    case "$1" in --output|--error) shift;; esac
    shift
done
exec "$@"
""",
    "sacct": "#!/bin/sh\necho 'JobID|State|NodeList'\nfor task in 0 1; do echo \"77_$task|RUNNING|here\"; done\n",
}  # commands of SLURM that submitit calls; tasks must start late, as submitit renames its files once it has the job id
SLURM_TASK = {"SLURM_ARRAY_JOB_ID": "77", "SLURM_JOB_NUM_NODES": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
SLURM_TASK |= {"SLURM_NODEID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NODELIST": "here"}


def values(folder: Path) -> list[Any]:
    return [job["values"].get("value") for job in jobs(folder)]


@pytest.mark.slow
def test_submitit_runs_a_sweep_and_tells_of_failures(tmp_path: Path) -> None:
    words = ("hydra/launcher=submitit_local", "hydra.sweeper.again=['+again=1']", "+x=1,boom,3")
    run = sweep(tmp_path, *words)
    assert run.returncode == 1, run.stdout + run.stderr
    assert values(tmp_path) == [1.0, None, 3.0]
    assert jobs(tmp_path)[1]["error"] == "ValueError: boom goes the job"
    assert "best is job 0 with value 1: +x=1" in run.stdout
    typed = tmp_path / "sweep" / "1" / ".hydra" / "overrides.yaml"
    assert "again=1" not in typed.read_text()

    (tmp_path / "mended").touch()
    again = sweep(tmp_path, *words, "hydra.sweeper.retry=[1]")
    assert again.returncode == 0, again.stdout + again.stderr
    assert values(tmp_path) == [1.0, 4.0, 3.0]
    assert [job["state"] for job in jobs(tmp_path)] == ["finished"] * 3
    assert "+again=1" in typed.read_text()  # it went on in its folder


def test_submitit_sends_slurm_one_array_of_jobs(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, script in SLURM.items():
        (tools / name).write_text(script)
        (tools / name).chmod(0o755 | stat.S_IXUSR)
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.timeout_min=90"]
    words += ["hydra.launcher.gpus_per_node=2", "hydra.launcher.cpus_per_task=8", "+x=1,3"]
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    run = sweep(tmp_path, *words, PATH=path, KEPT=str(tmp_path), SLURM_JOB_ID="77", **SLURM_TASK)
    assert run.returncode == 0, run.stdout + run.stderr
    assert values(tmp_path) == [1.0, 3.0]
    script = (tmp_path / "script.sh").read_text()
    told = dict(re.findall(r"^#SBATCH --(\S+?)=(.*)$", script, re.MULTILINE))
    assert told["array"] == "0-1%2"
    assert told["partition"] == "gpu"
    assert told["time"] == "90"
    assert told["gpus-per-node"] == "2"
    assert told["cpus-per-task"] == "8"
    assert told["job-name"] == "app"
    assert told["signal"] == "USR2@120"
    assert f"-m submitit.core._submit {tmp_path}/sweep/.submitit/" in script.replace("'", "")


# Ray gives its node 30 s to start, and kills workers when the machine is short of memory.
@pytest.mark.slow
def test_ray_runs_a_sweep_and_tells_of_failures(tmp_path: Path) -> None:
    run = sweep(tmp_path, "hydra/launcher=ray", "+x=1,boom,3")
    assert run.returncode == 1, run.stdout + run.stderr
    assert values(tmp_path) == [1.0, None, 3.0]
    assert jobs(tmp_path)[1]["error"] == "ValueError: boom goes the job"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["submitit_local", "ray"])
def test_candelabra_runs_under_launchers_of_others(tmp_path: Path, launcher: str) -> None:
    command = [sys.executable, "-m", "candelabra", "train", "-m", f"hydra/launcher={launcher}", *TINY]
    command += [
        "hydra.sweep.dir=sweep",
        "task=classification",
        "data=shapes",
        "data.count=48",
        "epochs=1",
        "lr=0.01,-1",
    ]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout + run.stderr
    good, bad = jobs(tmp_path)
    assert good["state"] == "finished"
    results = json.loads((tmp_path / "sweep" / "0" / "results.json").read_text())
    assert good["values"] == {"val/score": results["val/score"]}
    assert bad["error"].startswith("CandelabraError: lr=-1 is out of range")


@pytest.mark.parametrize(
    ("launcher", "package", "extra"),
    [
        ("ray", "hydra_ray_launcher", "ray"),
        ("submitit_slurm", "hydra_submitit_launcher", "slurm"),
        ("submitit_local", "hydra_submitit_launcher", "slurm"),
    ],
)
def test_a_launcher_that_is_not_installed_is_said_in_a_sentence(launcher: str, package: str, extra: str) -> None:
    missing = MissingConfigException("Could not find it", f"hydra/launcher/{launcher}", ["basic", "processes"])
    assert (
        format_error(missing) == f"hydra/launcher={launcher} needs the package {package}; "
        f"install it with pip install 'candelabra[{extra}]'."
    )
    other = MissingConfigException("Could not find it", "hydra/launcher/proceses", ["basic", "processes"])
    assert format_error(other) == "hydra/launcher=proceses is not known; allowed are processes, basic."
