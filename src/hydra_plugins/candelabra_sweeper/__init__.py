"""A Hydra sweeper of grids and Optuna studies whose jobs are processes of their own; works with any Hydra program.

All definitions are in modules whose names begin with an underscore: Hydra executes the others again when it scans for
plugins, and every class in them would exist twice. A job calls `current_trial()` to get its trial.
"""

from typing import TYPE_CHECKING, Any

from ._trial import JobContext, current_trial, read_job_context

if TYPE_CHECKING:
    from ._errors import SweepError

__all__ = ["JobContext", "SweepError", "current_trial", "read_job_context"]


def __getattr__(name: str) -> Any:
    """Imports Hydra for its error only: reading a sweep's files (`sweep status`) must not pay for that import."""
    if name == "SweepError":
        from ._errors import SweepError

        return SweepError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
