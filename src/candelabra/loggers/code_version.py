"""The versions of the code of a run."""

import os
import platform
import subprocess
from pathlib import Path

import lightning as L
import torch

from candelabra.environment import __version__


def find_code_version(folder: Path) -> dict[str, str]:
    """Returns library versions by name and, in a git checkout, `commit`, `branch` and `changed` (uncommitted edits).

    Git is left out if it is missing or slow.
    """
    known = {
        "candelabra": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": str(L.__version__),
    }
    commit = _git(folder, "rev-parse", "HEAD")
    if commit:
        known["commit"] = commit
        known["branch"] = _git(folder, "rev-parse", "--abbrev-ref", "HEAD") or ""
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
        known["changed"] = "unknown" if changed is None else "yes" if changed else "no"
    return known


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
