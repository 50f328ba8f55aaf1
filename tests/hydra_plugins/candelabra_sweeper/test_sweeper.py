"""Sweeps of a program that is no part of candelabra, each job a process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from hydra.core.utils import JobReturn, JobStatus

from hydra_plugins.candelabra_sweeper._folders import returned_path
from hydra_plugins.candelabra_sweeper._grid import GridPlan
from hydra_plugins.candelabra_sweeper._launcher import ProcessLauncher
from hydra_plugins.candelabra_sweeper._liveness import has_variable, is_running_since
from hydra_plugins.candelabra_sweeper._process import JobProcess
from hydra_plugins.candelabra_sweeper._record import JobRecord
from hydra_plugins.candelabra_sweeper._returned import RETURNED, wait_for_outcome
from hydra_plugins.candelabra_sweeper._running import ProcessWorker
from hydra_plugins.candelabra_sweeper._space import parse_search_space
from hydra_plugins.candelabra_sweeper.jobs import Job, State, read_sweep
from tests.forked import run_forked
from tests.hydra_plugins.candelabra_sweeper.apps import APP, begin, command, jobs, said, sweep

TPE = "hydra/sweeper/sampler=tpe"


def states(folder: Path) -> list[str]:
    return [job["state"] for job in jobs(folder)]


def until(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def gone(process: int) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_failed_job_is_written_down_the_rest_goes_on_and_it_can_be_tried_again(tmp_path: Path) -> None:
    first = sweep(tmp_path, "+x=1,boom,3", LOCAL_RANK="1", WORLD_SIZE="2", MASTER_PORT="1")
    assert first.returncode == 1, first.stdout + first.stderr
    assert states(tmp_path) == ["finished", "failed", "finished"]
    assert [job["values"] for job in jobs(tmp_path)] == [{"value": 1.0}, {}, {"value": 3.0}]
    assert jobs(tmp_path)[1]["error"] == "ValueError: boom goes the job"
    assert "best is job 0 with value 1: +x=1" in first.stdout
    assert "hydra.sweeper.retry=[1]" in first.stdout
    assert "LOCAL_RANK=None" in said(tmp_path, 0, "environment")[0]
    assert "CUDA_VISIBLE_DEVICES" in said(tmp_path, 0, "environment")[0]

    (tmp_path / "mended").touch()
    again = sweep(tmp_path, "+x=1,boom,3", "hydra.sweeper.retry=[1]")
    assert again.returncode == 0, again.stdout + again.stderr
    assert states(tmp_path) == ["finished"] * 3
    assert [len(said(tmp_path, job, "words")) for job in range(3)] == [
        1,
        2,
        1,
    ]  # none ran twice but the one that failed

    other = sweep(tmp_path, "+x=1,2")
    assert other.returncode == 1
    assert "sweep holds another sweep: it was begun with +x=1,boom,3; +x=1,2 is new" in other.stderr


def test_workers_share_devices_and_begin_as_soon_as_they_are_free(tmp_path: Path) -> None:
    words = ("+x=1,2,3", "+overlap=3", "hydra.sweeper.workers=2")
    run = sweep(tmp_path, *words, CUDA_VISIBLE_DEVICES="0,1,2,3", OMP_NUM_THREADS="")
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [line.partition("] ")[2].partition("][HYDRA] ")[2] or line for line in run.stdout.splitlines()]
    begins = [index for index, line in enumerate(lines) if " begins: " in line]
    ends = [index for index, line in enumerate(lines) if " finished: " in line]
    assert begins[1] < ends[0] < begins[2] < ends[1]
    shares = [said(tmp_path, job, "environment")[0].split()[1] for job in range(2)]
    assert shares == ["CUDA_VISIBLE_DEVICES=0,1", "CUDA_VISIBLE_DEVICES=2,3"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_stops_the_jobs_and_the_sweep_can_go_on(tmp_path: Path, number: signal.Signals) -> None:
    process = begin(tmp_path, "+x=1,wait,3")
    until(tmp_path / "waiting")
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 75, out
    assert states(tmp_path) == ["finished", "stopped"]
    assert "goes on" in out
    (tmp_path / "free").touch()
    run = sweep(tmp_path, "+x=1,wait,3", "hydra.launcher.again=['+again=1']")
    assert run.returncode == 0, run.stdout + run.stderr
    assert states(tmp_path) == ["finished"] * 3
    assert [len(said(tmp_path, job, "words")) for job in range(3)] == [1, 2, 1]
    assert "+again=1" in said(tmp_path, 1, "words")[1]


def test_a_killed_sweep_takes_its_jobs_with_it_and_goes_on(tmp_path: Path) -> None:
    words = ("+x=choice(1,2,wait)", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=4")
    process = begin(tmp_path, *words)
    until(tmp_path / "waiting")
    deadline = time.monotonic() + 60
    while jobs(tmp_path)[-1]["state"] != "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    job = jobs(tmp_path)[-1]
    process.kill()
    process.communicate()
    assert gone(job["process"])
    assert jobs(tmp_path)[-1]["state"] == "running"  # nobody was left to say otherwise
    (tmp_path / "free").touch()
    run = sweep(tmp_path, *words)
    assert run.returncode == 0, run.stdout + run.stderr
    assert states(tmp_path) == ["finished"] * 4
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path}/sweep/study.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 4
    ran = [len(said(tmp_path, each["number"], "words")) for each in jobs(tmp_path)]
    assert ran == [2 if each["number"] == job["number"] else 1 for each in jobs(tmp_path)]


def test_a_pruner_ends_trials_and_several_objectives_are_sought(tmp_path: Path) -> None:
    words = ("+x=interval(1.0,9.0)", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=5", "+kind=pruned")
    more = ("hydra/sweeper/pruner=median", "hydra.sweeper.pruner.n_startup_trials=1")
    run = sweep(tmp_path, *words, *more, "hydra.sweeper.storage=shared.journal", "hydra.sweeper.study=named")
    assert run.returncode == 0, run.stdout + run.stderr
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    study = optuna.load_study(
        study_name="named", storage=JournalStorage(JournalFileBackend(f"{tmp_path}/shared.journal"))
    )
    found = {"PRUNED": "pruned", "COMPLETE": "finished"}
    assert [found[trial.state.name] for trial in study.trials] == states(tmp_path)
    assert {"pruned", "finished"} == set(states(tmp_path))


def test_a_study_with_a_baseline_ends_with_the_command_to_keep(tmp_path: Path) -> None:
    words = ("+x=3", "+y=interval(1.0,9.0)", "hydra/sweeper/sampler=random", "hydra.sweeper.trials=3")
    run = sweep(tmp_path, *words, "hydra.sweeper.baseline=true", "hydra.sweeper.minutes=60", PICTURES="1")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "sweep" / "history.png").is_file()
    assert [len(job["words"]) for job in jobs(tmp_path)] == [1, 2, 2]
    assert "3 jobs at most, in 60 minutes" in run.stdout
    assert "to keep it: the program with +x=3" in run.stdout
    grid = sweep(tmp_path, "+x=1,2", "hydra.sweeper.minutes=60", "hydra.sweep.dir=grid")
    assert (grid.returncode, "name a sampler" in grid.stdout + grid.stderr) == (1, True)


def test_several_objectives_by_name_and_in_order(tmp_path: Path) -> None:
    words = ("+x=interval(1.0,9.0)", "hydra/sweeper/sampler=nsga2", "hydra.sweeper.trials=2", "+kind=mapping")
    run = sweep(tmp_path, *words, "hydra.sweeper.objectives=[score:maximize,cost:minimize]")
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(job["values"]["cost"] == pytest.approx(1 / job["values"]["score"]) for job in jobs(tmp_path))
    (tmp_path / "two").mkdir()
    missing = sweep(tmp_path / "two", *words, "hydra.sweeper.objectives=[speed:maximize]")
    assert missing.returncode == 1
    assert jobs(tmp_path / "two")[0]["error"] == "speed is sought, and the job returned score, cost"


def test_a_program_that_never_understands_its_words_is_not_tried_for_ever(tmp_path: Path) -> None:
    run = sweep(tmp_path, "+x=usage", "+y=1,2,3,4,5,6")
    assert run.returncode == 1
    assert states(tmp_path) == ["failed"] * 3
    assert "3 of 6" in run.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("+x=interval(0,1)",), "infinitely many values"),
        (("+x=1", TPE), "A study needs something to vary"),
        (("+x=1,2", TPE, "hydra.sweeper.trials=0"), "trials=0 and workers=1 must be at least 1"),
        (("+x=1,2", "hydra/sweeper/pruner=median"), "a grid has none; name a sampler"),
        (("+x=1", "+mine.y=1,2", "hydra.sweeper.own=[mine]"), "+mine.y=1,2 tells of the sweep, which has one value"),
        (("+x=1,2", "hydra.sweeper.objectives=[score]"), "must be score:maximize or score:minimize"),
        (
            ("+x=1,2", "hydra.sweeper.objectives=[test/a:maximize]", "hydra.sweeper.allowed=[val/*]"),
            "allowed are val/*",
        ),
        (
            ("+x=1,2", TPE, "hydra/sweeper/pruner=median", "hydra.sweeper.objectives=[a:maximize,b:minimize]"),
            "A pruner needs one objective, and there are 2 (a, b)",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused_in_a_sentence(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    run = run_forked(command(tmp_path, *words)[2:], tmp_path, module="app")
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_the_launcher_serves_other_sweepers_and_the_sweeper_other_launchers(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["-m", "hydra/launcher=processes", "hydra.launcher.workers=2", "+x=1,2", "hydra.sweep.dir=sweep"]
    run = subprocess.run([sys.executable, "app.py", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert all("hydra.mode=RUN" in said(tmp_path, job, "words")[0] for job in range(2))
    basic = sweep(tmp_path, "+x=1,boom", "hydra/launcher=basic", "hydra.sweep.dir=basic")
    assert basic.returncode == 1
    (tmp_path / "basic").rename(tmp_path / "sweep" / "sweep")
    assert states(tmp_path / "sweep") == ["finished", "failed"]
    assert jobs(tmp_path / "sweep")[1]["error"] == "ValueError: boom goes the job"


def test_jobs_lie_in_the_folder_of_the_sweep_whatever_tells_of_its_name(tmp_path: Path) -> None:
    where = "hydra.sweep.dir=sweep${oc.select:mine.name,_of_nobody}"
    for launcher in ("processes", "basic"):
        words = ("+x=1", f"+mine.name={launcher}", "hydra.sweeper.own=[mine]", f"hydra/launcher={launcher}", where)
        run = sweep(tmp_path, *words)
        assert run.returncode == 0, run.stdout + run.stderr
        assert {path.name for path in (tmp_path / f"sweep{launcher}").iterdir()} >= {"0", "sweep.json"}
    assert not (tmp_path / "sweep_of_nobody").exists()


def test_a_job_that_stops_by_itself_is_told_of_and_the_sweep_can_go_on(tmp_path: Path) -> None:
    run = sweep(tmp_path, "+x=1,pause")
    assert run.returncode == 75, run.stdout + run.stderr
    assert states(tmp_path) == ["finished", "stopped"]
    assert "stopped by themselves: 1; the same command with hydra.sweep.dir=sweep goes on" in run.stdout


def test_a_job_that_cannot_be_started_or_has_the_folder_of_another_fails_alone(tmp_path: Path) -> None:
    run = sweep(tmp_path, f"+x=1,a{'2' * 300},3", "hydra.sweep.subdir=x${oc.select:x,}")
    assert run.returncode == 1, run.stdout + run.stderr
    assert states(tmp_path) == ["finished", "failed", "finished"]
    assert "it could not be started: [Errno 36] File name too long" in jobs(tmp_path)[1]["error"]
    for launcher in ("processes", "basic"):
        (tmp_path / launcher).mkdir()
        words = ("+x=1,2", "hydra.sweep.subdir=one", f"hydra/launcher={launcher}")
        same = sweep(tmp_path / launcher, *words)
        assert same.returncode == 1, same.stdout + same.stderr
        assert states(tmp_path / launcher) == ["finished", "failed"]
        assert "its folder sweep/one is that of job 0" in jobs(tmp_path / launcher)[1]["error"]


def test_processes_of_a_job_are_known_by_their_environment(tmp_path: Path) -> None:
    job = Job(3, ["x=1"], str(tmp_path / "python"))
    code = "import time; print(flush=True); time.sleep(60)"
    environment = {**os.environ, RETURNED: _path(tmp_path, 3)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the system shows the environment of a program a moment after it began
        assert has_variable(process.pid, RETURNED, returned_path(job, tmp_path))
        assert not has_variable(process.pid, RETURNED, returned_path(Job(4, ["x=1"], job.folder), tmp_path))
        started = psutil.Process(process.pid).create_time()
        assert is_running_since(process.pid, None)
        assert is_running_since(process.pid, started)
        assert not is_running_since(process.pid, started - 60)  # an earlier process of that id
        process.kill()
    assert not has_variable(process.pid, RETURNED, returned_path(job, tmp_path))
    assert not is_running_since(process.pid, started)


def _path(sweep: Path, number: int) -> str:
    return str(sweep / "jobs" / f"{number:06d}.returned")


def test_a_signal_that_comes_while_a_job_begins_stops_that_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> JobProcess:
        process = JobProcess([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "log.txt")
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    launcher = ProcessLauncher(1, [], [], None)
    monkeypatch.setattr(ProcessLauncher, "start", start)
    plan = GridPlan(parse_search_space({}, ["a=1", "b=2"], None), "sweep", {"value": "minimize"}, [], [])
    record = JobRecord(tmp_path, plan, [], [], {"value": "minimize"})
    runner = ProcessWorker(launcher, lambda job: tmp_path / str(job.number), ["value"], needed=False)
    assert runner.run(plan, record) == signal.SIGTERM
    assert [job.state for job in record.jobs.values()] == [State.STOPPED]


def test_where_the_config_is_belongs_to_the_sweep(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("kind: number\n")
    where = ("--config-dir", ".", "--config-name")
    run = sweep(tmp_path, "+x=1,2", *where, "one")
    assert run.returncode == 0, run.stdout + run.stderr
    assert read_sweep(tmp_path / "sweep").program[1:] == ["app.py", "--config-name=one", "--config-dir=."]
    assert "words --config-name=one --config-dir=. " in f"words {said(tmp_path, 0, 'words')[0]}"
    other = sweep(tmp_path, "+x=1,2", *where, "two")
    assert other.returncode == 1
    assert "it was begun with --config-name=one; --config-name=two is new" in other.stderr


def test_what_tells_a_process_of_others_is_kept_from_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCHELASTIC_USE_AGENT_STORE", "SLURM_PROCID", "SLURM_STEP_ID", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "1")
    code = "import os; print(*sorted(name for name in os.environ if name.startswith(('TORCHELASTIC', 'SLURM'))))"
    process = JobProcess([sys.executable, "-c", code], {}, tmp_path / "log.txt")
    process.process.wait()
    assert (tmp_path / "log.txt").read_text().split() == ["SLURM_JOB_ID"]


@pytest.mark.parametrize(("code", "state"), [(75, State.STOPPED), (3, State.FAILED)])
def test_an_error_with_the_exit_code_of_what_was_stopped_is_no_failure(code: int, state: State) -> None:
    class Stopping(Exception):
        pass

    error = Stopping("asked to stop")
    error.code = code  # type: ignore[attr-defined]
    returned = JobReturn(status=JobStatus.FAILED, _return_value=error)
    assert wait_for_outcome(returned, ["value"], needed=True).state is state


def test_a_sweep_in_which_some_were_fine_is_not_given_up_when_retries_fail_again(tmp_path: Path) -> None:
    plan = GridPlan(parse_search_space({}, ["a=1"], None), "sweep", {"value": "minimize"}, [], [])
    runner = ProcessWorker(ProcessLauncher(1, [], [], None), lambda job: tmp_path, ["value"], needed=False)
    runner.codes = [2, 2, 2]
    failed, fine = Job(0, [], "", State.FAILED), Job(1, [], "", State.FINISHED)
    assert runner.is_hopeless(JobRecord(tmp_path, plan, [failed], [], {}))
    assert not runner.is_hopeless(JobRecord(tmp_path, plan, [failed, fine], [], {}))


def test_what_is_no_number_is_said_to_be_none() -> None:
    returned = JobReturn(status=JobStatus.COMPLETED, _return_value={"value": float("nan"), "other": 1.0})
    assert (
        wait_for_outcome(returned, ["value"], needed=True).error
        == "value is sought, and what the job returned is no number (NaN)"
    )
