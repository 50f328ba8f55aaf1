"""What lies in a sweep's folder."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from hydra_plugins.candelabra_sweeper.jobs import Job, State, Sweep, read_jobs, read_sweep, write_job, write_sweep


def test_what_is_written_is_read(tmp_path: Path) -> None:
    jobs = [Job(1, ["lr=0.1"], "run/1", State.FINISHED, {"val/score": 0.5}, begun=1.0), Job(0, [], "run/0")]
    for job in jobs:
        write_job(job, tmp_path)
    assert read_jobs(tmp_path) == jobs[::-1]
    sweep = Sweep(["python", "-m", "x"], ["lr=0.1,0.2"], {"val/score": "maximize"})
    write_sweep(sweep, tmp_path)
    assert read_sweep(tmp_path) == sweep


def test_a_job_whose_process_is_gone_has_stopped() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = socket.gethostname()
    assert Job(0, [], "", State.RUNNING, host=here, process=ended.pid).now is State.STOPPED
    assert Job(0, [], "", State.RUNNING, host=here, process=os.getpid()).now is State.RUNNING
    assert Job(0, [], "", State.RUNNING, host=here, process=os.getpid(), since=time.time()).now is State.RUNNING
    before = time.time() - 7200  # it has that number now, and was not there then
    assert Job(0, [], "", State.RUNNING, host=here, process=os.getpid(), since=before).now is State.STOPPED
    assert Job(0, [], "", State.RUNNING, host="elsewhere", process=ended.pid).now is State.RUNNING
