"""SLURM starts a job again with the same words: where the run it began is, is written down under the job's number."""

import os
from pathlib import Path

from candelabra import CACHE, SLURM_JOB


def remember(run: Path) -> None:
    """Writes down which folder this job's run has; nothing outside SLURM."""
    if SLURM_JOB in os.environ:
        note = _note()
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(run.absolute()))


def begun() -> Path | None:
    """The folder of the run that this job began before it was started again."""
    if int(os.environ.get("SLURM_RESTART_COUNT", 0)) and SLURM_JOB in os.environ and _note().is_file():
        run = Path(_note().read_text())
        return run if (run / "config.yaml").is_file() else None
    return None


def _note() -> Path:
    home = Path(os.environ.get(CACHE, "~/.cache/candelabra")).expanduser()
    return home / "slurm" / f"{os.environ.get('SLURM_CLUSTER_NAME', '')}-{os.environ[SLURM_JOB]}"
