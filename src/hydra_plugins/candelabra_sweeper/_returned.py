"""The return value of a job: written by its process, read by the sweep."""

import json
import math
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ._jobs import State

RETURNED = "HYDRA_SWEEP_RETURNED"  # the file, for the environment
STOPPED, _PRUNED = (
    75,
    77,
)  # exit codes: stopped by a signal, can go on (EX_TEMPFAIL); ended early, as its trial was told
_BORING = ("Set the environment variable HYDRA_FULL_ERROR",)


class WriteReturned(Callback):
    """Writes what the task function returned, or how it failed, once; further ranks of a job write nothing."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        path = os.environ.get(RETURNED)
        if path is None or int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))):
            return
        part = Path(f"{path}.part")
        part.write_text(json.dumps(_content(job_return)), encoding="utf-8")
        part.replace(path)


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended: see `Job`."""

    state: State
    values: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


def wait_for_outcome(job_return: JobReturn, objectives: Sequence[str], needed: bool) -> JobOutcome:
    """Reads the outcome of a job that another launcher ran; `needed` if a study needs its values."""
    return _judged(_content(job_return), objectives, needed)


def read_outcome(code: int, path: Path, log: Path, objectives: Sequence[str], needed: bool) -> JobOutcome:
    """Reads the outcome of a process that ended.

    Args:
        code: exit code, as of `subprocess`.
        path: file of what it returned, if it got that far.
        log: its output.
        objectives: by name.
        needed: whether a study needs its values.
    """
    content: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if code == 0:
        return _judged(content, objectives, needed)
    if code == STOPPED or content.get("stopped"):
        return JobOutcome(State.STOPPED)
    if code == _PRUNED or content.get("pruned"):
        return JobOutcome(State.PRUNED)
    if code < 0:
        name = signal.Signals(-code).name
        more = " (out of memory?)" if name == "SIGKILL" else ""
        return JobOutcome(State.FAILED, error=f"ended by {name}{more}")
    return JobOutcome(State.FAILED, error=content.get("error") or last_line(log) or f"exit code {code}")


def last_line(log: Path) -> str | None:
    """Returns the last line of a job's output."""
    if not log.is_file():
        return None
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        lines = file.read().decode("utf-8", "replace").splitlines()
    said = [line.strip() for line in lines if line.strip() and not line.startswith(_BORING)]
    return said[-1][:500] if said else None


def _content(job_return: JobReturn) -> dict[str, Any]:
    value = job_return._return_value
    if job_return.status is JobStatus.COMPLETED:
        return {"value": _plain(value)}
    if type(value).__name__ == "TrialPruned":
        return {"pruned": True}
    if getattr(value, "code", None) == STOPPED:
        return {"stopped": True}
    return {"error": " ".join(f"{type(value).__name__}: {value}".split())[:500]}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): float(each) for key, each in value.items() if isinstance(each, Real)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [float(each) for each in value]
    if isinstance(value, Real):
        return float(value)
    return value.item() if hasattr(value, "item") else None


def _judged(content: Mapping[str, Any], objectives: Sequence[str], needed: bool) -> JobOutcome:
    if content.get("pruned"):
        return JobOutcome(State.PRUNED)
    if content.get("stopped"):
        return JobOutcome(State.STOPPED)
    if content.get("error"):
        return JobOutcome(State.FAILED, error=content["error"])
    value = content.get("value")
    given = value if isinstance(value, list) else [value]
    named = value if isinstance(value, dict) else dict(zip(objectives, given, strict=False))
    values = {name: named[name] for name in objectives if isinstance(named.get(name), float)}
    missing = [name for name in objectives if name not in values or math.isnan(values[name])]
    if not missing or not needed:
        return JobOutcome(State.FINISHED, {name: each for name, each in values.items() if name not in missing})
    name = missing[0]
    if name in values:
        return JobOutcome(State.FAILED, error=f"{name} is sought, and what the job returned is no number (NaN)")
    said = ", ".join(named) if isinstance(value, dict) else value
    return JobOutcome(State.FAILED, error=f"{name} is sought, and the job returned {said}"[:500])
