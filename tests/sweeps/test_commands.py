"""`candelabra sweep status|best|retry`: what is said of a sweep's folder, and what is run."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from candelabra.commands.sweep import run_sweep
from candelabra.errors import CandelabraError
from candelabra.sweeps.folder import open_sweep
from candelabra.sweeps.retry import announce_retry, choose_jobs, retry_sweep
from candelabra.sweeps.status import sort_jobs
from hydra_plugins.candelabra_sweeper.jobs import Job, State, Sweep, write_job, write_sweep
from tests.hydra_plugins.candelabra_sweeper.made import finished, made

TOO_HIGH = "CandelabraError: lr=12 is too high [bold]for this run[/bold]; set lr=0.1 or less"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Jobs of every kind; what ran when its sweep was killed has stopped."""
    jobs = [
        finished(0, ["task=segmentation", "optimizer.lr=0.1"], 0.5),
        Job(1, ["task=segmentation", "optimizer.lr=12"], "1", State.FAILED, error=TOO_HIGH, begun=1.0, seconds=3.0),
        finished(2, ["task=segmentation", "optimizer.lr=0.30000000000000004"], 0.75),
        Job(3, ["task=segmentation", "optimizer.lr=0.4"], "3", State.PRUNED, seconds=1.0),
        Job(4, ["task=segmentation", "optimizer.lr=0.5"], "4", State.RUNNING, host=os.uname().nodename, process=2**22),
        Job(5, ["task=segmentation", "optimizer.lr=0.6"], "5", State.RUNNING, host="elsewhere", process=1, begun=1.0),
        finished(6, ["task=segmentation", "optimizer.lr=0.7"], float("nan")),
    ]
    return made(tmp_path / "sweep", jobs, total=9)


def run(*words: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run_sweep(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_status_shows_what_needs_a_look_first(
    mixed: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = run("status", str(mixed), width=width, capsys=capsys, monkeypatch=monkeypatch).splitlines()
    assert lines[0] == "7 of 9 jobs: 1 running, 1 failed, 1 stopped, 3 finished, 1 pruned"
    assert lines[2].split()[:3] == ["job", "state", "lr"]  # of the words those that differ, by their last part
    assert [line.split()[0] for line in lines[3:10]] == ["5", "1", "4", "2", "0", "6", "3"]
    assert "0.75" in lines[6]
    assert " 0.3 " in lines[6]
    assert "CandelabraError: lr=12 is too high [bold]for" in "\n".join(lines)
    assert (TOO_HIGH in "\n".join(lines)) == (width == 80)  # below the table, where there is no room in it
    assert all(len(line) <= width for line in lines if TOO_HIGH not in line and "retry" not in line)
    assert lines[-1] == f"run them again: candelabra sweep retry {mixed}"


def test_a_long_table_is_cut_and_says_so(
    mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = run("status", str(mixed), "rows=2", width=100, capsys=capsys, monkeypatch=monkeypatch)
    assert "and 1 stopped, 3 finished, 1 pruned, not shown: rows=all shows them" in cut
    whole = run("status", str(mixed), "rows=all", width=100, capsys=capsys, monkeypatch=monkeypatch)
    assert "not shown" not in whole


def test_status_for_scripts(mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(run("status", str(mixed), "format=json", width=40, capsys=capsys, monkeypatch=monkeypatch))
    assert found["objectives"] == {"val/score": "maximize"}
    assert {job["number"]: job["state"] for job in found["jobs"]}[4] == "stopped"
    assert len(found["jobs"]) == 7


def test_best_is_by_the_objective_and_can_be_typed(
    mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = mixed / "2"  # the sweep was moved: its jobs lie beside its files, not where they were written to be
    (job / "checkpoints").mkdir(parents=True)
    (job / "checkpoints" / "best.ckpt").touch()
    (job / "results.json").write_text(json.dumps({"val/score": 0.75, "test/score": 0.5, "test/label/accuracy": 0.25}))
    said = run("best", str(mixed), width=100, capsys=capsys, monkeypatch=monkeypatch)
    assert said.startswith("best by val/score (maximize); 2 of 7 jobs have results")
    assert "job 2: candelabra train task=segmentation optimizer.lr=0.30000000000000004" in said
    assert f"candelabra eval checkpoint={job}" in said
    assert [line.split() for line in said.splitlines() if "label/accuracy" in line] == [
        ["│", "label/accuracy", "│", "│", "0.2500", "│"]
    ]
    spaced = mixed.rename(mixed.with_name("my sweep"))
    said = run("best", str(spaced), width=100, capsys=capsys, monkeypatch=monkeypatch)
    assert f"candelabra eval 'checkpoint={spaced / '2'}'" in said
    assert (spaced / "history.png").is_file()
    assert "No importance.png: 2 jobs have results, and importance is told from 5." in said


def test_of_several_objectives_the_front_is_best(tmp_path: Path) -> None:
    sought = {"val/score": "maximize", "seconds": "minimize"}
    points = [(0.5, 1.0), (0.9, 5.0), (0.4, 1.0), (0.9, 6.0), (0.7, 2.0), (0.5, 1.0)]
    jobs = [finished(n, [f"lr={n}"], *point, objectives=sought) for n, point in enumerate(points)]
    found = open_sweep(made(tmp_path / "sweep", jobs, sought))
    assert [job.number for job in found.best()] == [1, 4, 0, 5]
    assert [job.number for job in sort_jobs(found)] == [1, 3, 4, 0, 5, 2]


def test_retry_is_the_command_of_the_sweep(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = open_sweep(mixed)
    assert choose_jobs(found, []) == [1, 4]
    assert announce_retry(found, [1, 4]) == f"{mixed} goes on: job 1 again, 1 stopped, 2 not begun"
    program = ["python", "-m", "candelabra", "train", "-m", "lr=0.1,0.2"]
    assert retry_sweep(found, [1, 4]) == [*program, f"hydra.sweep.dir='{mixed}'", "++hydra.sweeper.retry=[1]"]
    assert retry_sweep(found, [4]) == [*program, f"hydra.sweep.dir='{mixed}'"]
    monkeypatch.chdir(mixed.parent)
    assert retry_sweep(open_sweep(Path("sweep")), [4])[-1] == "hydra.sweep.dir='sweep'"
    monkeypatch.chdir(mixed)
    assert retry_sweep(open_sweep(Path("../sweep")), [4])[-1] == f"hydra.sweep.dir='{mixed}/../sweep'"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "candelabra sweep what? Allowed are status, best, retry"),
        (["stauts", "x"], "candelabra sweep stauts is not known; allowed are status, "),
        (["status"], "candelabra sweep status of what? Give the folder of a sweep."),
        (["status", "{}/nowhere"], "nowhere does not exist"),
        (["best", "{}"], "is not the folder of a sweep: it has no sweep.json"),
        (["best", "{}/run"], "is the folder of a single run"),
        (["best", "{}/empty"], "has no best job: none has finished with val/score"),
        (["best", "{}/broken"], "cannot be read as a sweep (JSONDecodeError"),
        (
            ["status", "{}/sweep", "row=3"],
            "row=3 is no word of it beside the folder; allowed are rows=..., format=....",
        ),
        (["status", "{}/sweep", "rows=few"], "rows=few is no number of rows; give one, or all."),
        (["status", "{}/sweep", "format=yaml"], "format=yaml is not known; allowed are table or json."),
        (["best", "{}/sweep", "3"], "3 is no word of it beside the folder; it takes none."),
        (["retry", "{}/sweep", "7"], "has no job 7; its jobs are 0 to 6."),
        (["retry", "{}/sweep", "lr=1"], "has no job lr=1; its jobs are 0 to 6."),
        (
            ["retry", "{}/sweep", "0"],
            "Job 0 is finished; what failed or was stopped can be run again, and here that is 1, 4.",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(words: list[str], sentence: str, mixed: Path) -> None:
    (mixed.parent / "run").mkdir()
    (mixed.parent / "run" / "config.yaml").touch()
    made(mixed.parent / "empty", [])
    made(mixed.parent / "broken", [])
    (mixed.parent / "broken" / "sweep.json").write_text("{")
    with pytest.raises(CandelabraError) as refused:
        run_sweep([word.format(mixed.parent) for word in words])
    assert sentence in str(refused.value)


def test_nothing_to_retry_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_sweep(["retry", str(made(tmp_path / "sweep", [finished(0, ["lr=1"], 0.5)]))]) == 0
    assert "no job failed or was stopped" in capsys.readouterr().out


def test_the_status_of_a_thousand_jobs_takes_less_than_two_seconds(tmp_path: Path) -> None:
    jobs = [finished(n, ["task=segmentation", f"lr={n / 7}", f"seed={n % 9}"], n / 1000) for n in range(1000)]
    folder = made(tmp_path / "sweep", jobs)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run(
        [sys.executable, "-m", "candelabra", "sweep", "status", str(folder), "rows=all"],
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert len(told.stdout.splitlines()) >= 1000
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2  # of its own, whatever else runs


def test_nothing_heavy_is_loaded_for_a_status(tmp_path: Path) -> None:
    folder = made(tmp_path / "sweep", [finished(0, ["lr=1"], 0.5)])
    code = (
        "import sys; from candelabra.commands.sweep import run_sweep; "
        "run_sweep(['status', sys.argv[1]]); print(*sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert not {"torch", "lightning", "hydra", "omegaconf", "optuna", "numpy", "pandas"} & set(told.stdout.split())


def test_retry_runs_candelabra_where_the_sweep_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, elsewhere = tmp_path / "begun", tmp_path / "elsewhere"
    begun.mkdir()
    elsewhere.mkdir()
    program = [sys.executable, "-m", "candelabra.cli.main", "train"]
    write_sweep(Sweep(program, ["lr=1,2"], {"value": "minimize"}, place=str(begun)), begun / "sweep")
    write_job(Job(0, ["lr=1"], "sweep/0", State.FAILED, error="no"), begun / "sweep")
    ran: list[tuple[str, list[str], Path]] = []
    monkeypatch.setattr(os, "execvp", lambda file, words: ran.append((file, words, Path.cwd())))
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # set by the command, and restored
    monkeypatch.chdir(elsewhere)
    run_sweep(["retry", "../begun/sweep"])
    said = f"-m lr=1,2 hydra.sweep.dir='{elsewhere}/../begun/sweep' ++hydra.sweeper.retry=[0]"
    assert ran == [(sys.executable, [*program, *said.split()], begun)]
    assert os.environ["PYTHONSAFEPATH"] == "1"  # modules that lie there are not imported
