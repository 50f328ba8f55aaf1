"""`candelabra sweep retry`: runs failed and stopped jobs of a sweep again."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from candelabra.errors import CandelabraError
from candelabra.runs.recorded_words import check_recorded_words
from hydra_plugins.candelabra_sweeper.jobs import SWEEP, State
from hydra_plugins.candelabra_sweeper.results import SweepResults

_PROGRAM = (("-m", "candelabra.cli.main", "train"), ("-m", "candelabra", "train"))
_PYTHONS = ("python", "python3")  # else this one
_AGAIN = (State.FAILED, State.STOPPED)


def choose_jobs(found: SweepResults, words: Sequence[str]) -> list[int]:
    """Chooses jobs to run again: those named, else all that failed or were stopped.

    Raises:
        CandelabraError: a number is no job's, or that job neither failed nor was stopped.
    """
    states = {job.number: job.now for job in found.jobs}
    for word in words:
        if not word.isdecimal() or int(word) not in states:
            known = f"0 to {max(states)}" if states else "none so far"
            raise CandelabraError(f"{found.folder} has no job {word}; its jobs are {known}.")
        state = states[int(word)]
        if state not in _AGAIN:
            raise CandelabraError(
                f"Job {word} is {state}; what failed or was stopped can be run again, and here that is "
                f"{', '.join(str(number) for number, now in states.items() if now in _AGAIN) or 'none'}."
            )
    return sorted({int(word) for word in words} or {number for number, state in states.items() if state in _AGAIN})


def retry_sweep(found: SweepResults, numbers: Sequence[int]) -> list[str]:
    """Returns the command that runs these jobs again in the folder and study of the sweep.

    It must run in the working folder of the sweep, see `Sweep.place`.

    Raises:
        CandelabraError: sweep.json says another program than candelabra, or words that a file must not say.
    """
    python, *program = found.sweep.program or [""]
    flags = [word for word in program[3:] if word.startswith("-")]
    if program[:3] not in ([*_PROGRAM[0]], [*_PROGRAM[1]]) or len(flags) != len(program[3:]):
        raise CandelabraError(
            f"{found.folder / SWEEP} says that {' '.join(found.sweep.program)[:200]} is to be run, which is not "
            "candelabra train; type the command of the sweep again, with hydra.sweep.dir=<its folder>."
        )
    check_recorded_words([*flags, *found.sweep.words], found.folder / SWEEP)
    own = [python if python in _PYTHONS else sys.executable, *program]
    failed = [job.number for job in found.jobs if job.number in numbers and job.state is State.FAILED]
    words = [f"hydra.sweep.dir='{_quote_path(_folder(found))}'"]
    if failed:
        words.append(f"++hydra.sweeper.retry=[{','.join(map(str, failed))}]")
    return [*own, "-m", *found.sweep.words, *words]


def announce_retry(found: SweepResults, numbers: Sequence[int]) -> str:
    """Logs what the sweep will do: finish jobs that it began, and begin the rest."""
    counts = Counter(job.now for job in found.jobs)
    left = (found.sweep.total or len(found.jobs)) - len(found.jobs) + counts[State.WAITING]
    failed = [job.number for job in found.jobs if job.number in numbers and job.now is State.FAILED]
    parts = [f"job {', '.join(map(str, failed))} again"] if failed else []
    if counts[State.STOPPED]:
        parts.append(f"{counts[State.STOPPED]} stopped")
    if left:
        parts.append(f"{left} not begun")
    return f"{found.folder} goes on: {', '.join(parts)}"


def _folder(found: SweepResults) -> Path:
    """Returns the folder as given, or absolute if the sweep was begun in another working folder."""
    here = found.sweep.place in (None, str(Path.cwd()))
    return found.folder if here else found.folder.absolute()


def _quote_path(folder: Path) -> str:
    return str(folder).replace("\\", "\\\\").replace("'", "\\'")
