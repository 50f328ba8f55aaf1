"""A sweep whose folder holds its beginning: whether it is the same one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ._errors import SweepError
from ._jobs import SWEEP, Job, Sweep, read_jobs, read_sweep

_FREE = ("trials", "workers", "retry", "retrying")  # keys of a sweep that may be another each time


def override_key(word: str) -> str:
    """What a word is about."""
    return word.lstrip("+~").partition("=")[0]


def continue_sweep(folder: Path, sweep: Sweep, own: Sequence[str]) -> list[Job]:
    """The jobs that there have been; none in a new folder.

    Args:
        folder: of the sweep.
        sweep: as it is typed now.
        own: keys of the config that tell of the sweep.

    Raises:
        SweepError: the folder holds another sweep.
    """
    if not (folder / SWEEP).is_file():
        return []
    before = read_sweep(folder)
    old, new = _said(before, own), _said(sweep, own)
    if old != new or before.sampler != sweep.sampler:
        was, now = sorted(set(old) - set(new)), sorted(set(new) - set(old))
        said = [f"it was begun with {' '.join(was)}"] if was else []
        said += [f"{' '.join(now)} is new"] if now else []
        more = "; ".join(said) or f"it was begun with {before.sampler}, now it is {sweep.sampler}"
        raise SweepError(
            f"{folder} holds another sweep: {more}. Type the same words to go on with it, or give another folder with "
            "hydra.sweep.dir=<folder>."
        )
    # Of one that was killed nobody knows how long it ran.
    return [replace(job, since=None) for job in read_jobs(folder)]


def _said(sweep: Sweep, own: Sequence[str]) -> list[str]:
    """The words that make it the sweep that it is."""
    kept = [word for word in sweep.program if word.startswith("--config-")]
    for word in sweep.words:
        parts = override_key(word).replace("/", ".").split(".")
        first, last = parts[0], parts[-1]
        ours = first in own or override_key(word).startswith("hydra.sweeper")
        if (ours and last in _FREE) or (word.startswith("hydra") and not ours):
            continue
        kept.append(word)
    return sorted(kept)
