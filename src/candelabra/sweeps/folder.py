"""Opens a sweep's folder, and formats the command of a job."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from candelabra.errors import CandelabraError
from hydra_plugins.candelabra_sweeper.jobs import SWEEP, Job, read_jobs, read_sweep
from hydra_plugins.candelabra_sweeper.results import SweepResults


def format_command(job: Job, program: Sequence[str]) -> str:
    """Formats the command that runs a job by itself."""
    return shlex.join([*_short(program), *job.words])


def _short(program: Sequence[str]) -> list[str]:
    """Shortens the program to `candelabra train`, however it was started."""
    words = list(program)
    for place, word in enumerate(words):
        if word == "candelabra.cli.main" or Path(word).name == "candelabra" or Path(word).match("candelabra/cli.py"):
            return ["candelabra", *words[place + 1 :]]
    return words


def open_sweep(folder: Path) -> SweepResults:
    """Reads a sweep's folder.

    Raises:
        CandelabraError: it is no sweep's folder, or cannot be read.
    """
    if not folder.exists():
        raise CandelabraError(
            f"{folder} does not exist; give the folder of a sweep (`candelabra train -m ...` names it)."
        )
    if not (folder / SWEEP).is_file():
        kind = "the folder of a single run" if (folder / "config.yaml").is_file() else "not the folder of a sweep"
        raise CandelabraError(
            f"{folder} is {kind}: it has no {SWEEP}; give what `candelabra train -m ...` left behind."
        )
    try:
        sweep, jobs = read_sweep(folder), read_jobs(folder)
        for words in (sweep.program, sweep.words, *(job.words for job in jobs)):
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise TypeError("its words are no list of text")
        return SweepResults(folder, sweep, jobs)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise CandelabraError(f"{folder} cannot be read as a sweep ({problem}).") from error
