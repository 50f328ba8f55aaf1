"""What a sweep leaves behind, for whoever reads it; `_jobs` says what is what.

Hydra executes each module of a plugin anew when it looks for plugins, unless its name begins with an underscore;
classes that are compared must be defined once.
"""

from ._jobs import JOBS, SWEEP, Job, State, Sweep, read_jobs, read_sweep, write_job, write_sweep

__all__ = ["JOBS", "SWEEP", "Job", "State", "Sweep", "read_jobs", "read_sweep", "write_job", "write_sweep"]
