"""Processes that torchrun or srun start, on one machine and on two; if one is killed, nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from candelabra.tasks.loading import load_task

WORDS = [
    "trainer.accelerator=cpu",
    "task=classification",
    "backbone=test_resnet",
    "backbone.weights=none",
    "data.count=60",
    "data.size=32",
    "data.batch_size=8",
    "data.workers=0",
    "trainer.enable_progress_bar=false",
    "logger=csv",
]
LONG = [*WORDS, "epochs=2000", "save.steps=1"]
WAIT = 600  # seconds until a run has begun; the machine may be busy
SOON = 60  # seconds in which all have ended when one was killed


def torchrun(*words: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        *words,
        "-m",
        "candelabra.cli.main",
        "train",
        "trainer=torchrun",
    ]


def one_machine() -> list[str]:
    return torchrun("--standalone", "--nproc-per-node=2")


@contextmanager
def started(command: list[str], folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """A job whose output goes to `<folder>/said`; whatever is left of it is ended."""
    with (folder / "said").open("a") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=said,
            stderr=said,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until_saved(run: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + WAIT
    while not (run / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        assert process.poll() is None, (run.parent / "said").read_text()
        time.sleep(0.05)


def workers(process: "subprocess.Popen[str]") -> list[int]:
    """Processes that it has started, oldest first."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


def test_a_sweep_of_several_processes_is_refused_by_each(tmp_path: Path) -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2"}
    for rank in ("0", "1"):
        for word in ("-m", "sweep=tpe"):
            said = subprocess.run(
                [sys.executable, "-m", "candelabra", "train", word, "seed=1,2"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
                env={**os.environ, **torchrun, "RANK": rank},
            )
            assert said.returncode == 2
            assert "A sweep starts the processes of its jobs itself" in said.stderr


@pytest.mark.slow
def test_processes_of_torchrun_agree_on_one_folder_that_the_first_writes(tmp_path: Path) -> None:
    with started([*one_machine(), *WORDS, "epochs=1", "data.mixup=0.4"], tmp_path) as process:
        assert process.wait(WAIT) == 0, (tmp_path / "said").read_text()
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 1
    assert json.loads((runs[0] / "results.json").read_text())["test/label/count"] == 9
    measured = {"precision"}  # what is chosen by measuring is kept in the cache folder
    assert {path.name for path in tmp_path.iterdir()} - measured == {"runs", "said"}
    assert (tmp_path / "said").read_text().count("labelled images") == 1


@pytest.mark.slow
def test_what_rank_zero_refuses_ends_all(tmp_path: Path) -> None:
    with started([*one_machine(), *WORDS, "epochs=1", "monitor=val/nonsense"], tmp_path) as process:
        assert process.wait(WAIT)
    said = (tmp_path / "said").read_text()
    assert "monitor=val/nonsense is not measured here" in said
    assert not list(tmp_path.glob("runs/*/checkpoints"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("how", ["ddp", "torchrun"])
def test_a_killed_process_ends_the_others_which_say_how_to_go_on(how: str, tmp_path: Path) -> None:
    ddp = [sys.executable, "-m", "candelabra", "train", "trainer=ddp", "trainer.devices=2"]
    command = ddp if how == "ddp" else one_machine()
    with started([*command, *LONG, "hydra.run.dir=run"], tmp_path) as process:
        until_saved(tmp_path / "run", process)
        os.kill(workers(process)[-1], signal.SIGKILL)
        code = process.wait(SOON)
    said = (tmp_path / "said").read_text()
    assert code in ((EXIT_INTERRUPTED, -signal.SIGKILL) if how == "ddp" else (1,)), said
    assert "rank 1 was ended by SIGKILL" in said if how == "ddp" else "Signal 9 (SIGKILL) received" in said, said
    assert f"resume={tmp_path / 'run'}" in said or "resume=run" in said, said
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] > 0


@pytest.mark.slow
def test_tasks_of_srun_are_one_run(tmp_path: Path) -> None:
    """Without SLURM: what srun sets, set by hand."""
    common = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
    common |= {"SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611", "CANDELABRA_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "candelabra", "train", "trainer=slurm", *WORDS, "epochs=1"]
    second = {**common, "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
    first = {**common, "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    with started(command, tmp_path, **second) as one, started(command, tmp_path, **first) as zero:
        assert zero.wait(WAIT) == 0, (tmp_path / "said").read_text()
        assert one.wait(SOON) == 0, (tmp_path / "said").read_text()
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 1
    assert json.loads((runs[0] / "results.json").read_text())["test/label/count"] == 9


@pytest.mark.slow
def test_divided_weights_leave_a_whole_checkpoint(tmp_path: Path) -> None:
    """One that is evaluated, and gone on with, as that of any run; pictures are made of it."""
    command = [sys.executable, "-m", "candelabra", "train"]
    words = [
        "trainer=fsdp",
        "trainer.devices=2",
        "trainer.strategy.smallest=1000",
        *WORDS,
        "epochs=2",
        "save.steps=1",
        "save.keep=2",
    ]
    with started([*command, *words, "hydra.run.dir=run"], tmp_path) as process:
        assert process.wait(WAIT) == 0, (tmp_path / "said").read_text()
    assert load_task(tmp_path / "run").heads["label"].target == "label"
    assert (tmp_path / "run" / "pictures" / "predictions.png").exists()
    (earlier,) = (tmp_path / "run" / "checkpoints").glob("step-*.ckpt")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    whole = torch.load(last, weights_only=True)["state_dict"]
    earlier.replace(last)
    with started([*command, "resume=run"], tmp_path) as process:
        assert process.wait(WAIT) == 0, (tmp_path / "said").read_text()
    again = torch.load(last, weights_only=True)["state_dict"]
    assert [key for key, value in whole.items() if not torch.equal(value, again[key])] == []


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by a cable, as two machines would be."""
    if os.name != "posix" or os.geteuid() or not shutil.which("ip"):
        pytest.skip("needs root and ip")
    names = (f"cande{os.getpid()}a", f"cande{os.getpid()}b")
    cables = (f"ca{os.getpid()}", f"cb{os.getpid()}")
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", cables[0], "netns", names[0], "type", "veth", "peer", "name", cables[1], "netns", names[1])
        for number, (name, cable) in enumerate(zip(names, cables, strict=True), 1):
            ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", cable)
            ip("-n", name, "link", "set", cable, "up")
            ip("-n", name, "link", "set", "lo", "up")
    except subprocess.CalledProcessError as error:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    yield names
    for name in names:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.mark.slow
def test_two_machines_train_one_run(hosts: tuple[str, str], tmp_path: Path) -> None:
    where = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-endpoint=10.77.0.1:29400"]
    where += ["--rdzv-id=test"]
    jobs = []
    for number, (name, cable) in enumerate(zip(hosts, ("ca", "cb"), strict=True), 1):
        # Both hosts have the same name, so torchrun cannot tell which is the rendezvous server: is_host says it.
        here = [f"--local-addr=10.77.0.{number}", f"--rdzv-conf=is_host={2 - number},read_timeout=600"]
        command = ["ip", "netns", "exec", name, *torchrun(*where, *here)]
        jobs.append(started([*command, *WORDS, "epochs=1"], tmp_path, GLOO_SOCKET_IFNAME=f"{cable}{os.getpid()}"))
    with jobs[0] as first, jobs[1] as second:
        assert first.wait(WAIT) == 0, (tmp_path / "said").read_text()
        assert second.wait(SOON) == 0, (tmp_path / "said").read_text()
    runs = list((tmp_path / "runs").iterdir())
    assert len(runs) == 1
    assert json.loads((runs[0] / "results.json").read_text())["test/label/count"] == 9
