"""A Hydra sweeper of grids and Optuna studies whose jobs are processes of their own; works with any Hydra program.

What is defined here lies in modules whose names begin with an underscore: Hydra executes the others anew when it looks
for plugins, and would leave two classes of one name. A job asks `current_trial()` for its trial.
"""

from ._errors import SweepError
from ._trial import Told, current_trial, told

__all__ = ["SweepError", "Told", "current_trial", "told"]
