"""Requeued SLURM jobs: the run folder of a job is recorded, so that a restart of the job resumes the run."""

import hashlib
import logging
import os
import sys
from pathlib import Path

from candelabra.environment import SLURM_JOB_VARIABLE
from candelabra.storage.atomic import write_atomically
from candelabra.storage.cache_folder import find_cache_folder

log = logging.getLogger(__name__)


def remember_slurm_run(run: Path) -> None:
    """Records the run folder of this job and command; does nothing outside SLURM or in a sweep."""
    if _single_run():
        note = _note()
        try:
            note.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(note, str(run.absolute()))
        except OSError as error:
            log.warning(
                "%s cannot be written (%s): should SLURM requeue this job, it begins again; CANDELABRA_CACHE=<folder> "
                "names another place",
                note,
                error.strerror,
            )


def find_slurm_run() -> Path | None:
    """Finds the run that this job started with the same command before it was requeued."""
    if int(os.environ.get("SLURM_RESTART_COUNT", 0)) and _single_run() and _note().is_file():
        run = Path(_note().read_text())
        return run if (run / "config.yaml").is_file() else None
    return None


def _single_run() -> bool:
    return SLURM_JOB_VARIABLE in os.environ and not {"-m", "--multirun"} & set(sys.argv)


def _note() -> Path:
    """The file of this job and command; a job may run several commands."""
    words = hashlib.sha256("\0".join(sys.argv[1:]).encode()).hexdigest()[:16]
    return (
        find_cache_folder("slurm")
        / f"{os.environ.get('SLURM_CLUSTER_NAME', '')}-{os.environ[SLURM_JOB_VARIABLE]}-{words}"
    )
