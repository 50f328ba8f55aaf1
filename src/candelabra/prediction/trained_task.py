"""What `checkpoint` and `model` of a command name, as a task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError
from candelabra.runtime.sessions import SESSIONS
from candelabra.tasks.exported import load_exported_task
from candelabra.tasks.loading import load_task
from candelabra.tasks.task import Task


def load_trained_task(run: str | Path) -> Task:
    """The task of a checkpoint, of a run (its best checkpoint), or of a file that `candelabra export` wrote.

    Raises:
        CandelabraError: there is none, or it cannot be used.
    """
    return load_exported_task(run) if Path(run).suffix in SESSIONS else load_task(run)


def choose_trained_model(plain: Mapping[str, Any]) -> str:
    """What `checkpoint` or `model` of a command names.

    Raises:
        CandelabraError: neither or both are given, or `model` is no exported file.
    """
    checkpoint, model = plain["checkpoint"], plain["model"]
    if (checkpoint is None) == (model is None):
        both = "" if checkpoint is None else f"; {checkpoint} and {model} are given"
        raise CandelabraError(f"Give either checkpoint=<run> or model=<exported file>{both}.")
    if model is not None and Path(model).suffix not in SESSIONS:
        raise CandelabraError(
            f"model={model} is no exported file ({', '.join(SESSIONS)}); a run or a .ckpt file is checkpoint={model}."
        )
    return str(model if checkpoint is None else checkpoint)
