"""Folders of sweeps that never ran, written as the sweeper writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra_plugins.candelabra_sweeper.jobs import Job, State, Sweep, write_job, write_sweep

PROGRAM = ["python", "-m", "candelabra", "train"]
SCORE = {"val/score": "maximize"}


def made(folder: Path, jobs: Sequence[Job], objectives: Mapping[str, str] = SCORE, total: int | None = None) -> Path:
    """The folder with these jobs."""
    write_sweep(Sweep(PROGRAM, ["lr=0.1,0.2"], objectives, total=total, place=str(folder.parent)), folder)
    for job in jobs:
        write_job(job, folder)
    return folder


def finished(number: int, words: Sequence[str], *values: float, objectives: Mapping[str, str] = SCORE) -> Job:
    """A job that has results, in a folder of its own that is not there."""
    named = dict(zip(objectives, values, strict=True))
    return Job(number, words, f"gone/{number}", State.FINISHED, named, begun=1.0, seconds=60.0 + number)
