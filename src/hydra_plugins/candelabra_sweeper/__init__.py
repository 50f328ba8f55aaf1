"""A Hydra sweeper of grids and Optuna studies whose jobs are processes of their own; works with any Hydra program.

What is defined here lies in modules whose names begin with an underscore: Hydra executes the others anew when it looks
for plugins, and would leave two classes of one name. A job asks `current_trial()` for its trial.
"""

from typing import TYPE_CHECKING, Any

from ._trial import JobContext, current_trial, read_job_context

if TYPE_CHECKING:
    from ._errors import SweepError

__all__ = ["JobContext", "SweepError", "current_trial", "read_job_context"]


def __getattr__(name: str) -> Any:
    """Hydra is loaded for its error alone: who reads what a sweep left (`jobs`, `results`) does without."""
    if name == "SweepError":
        from ._errors import SweepError

        return SweepError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
