"""What came of a sweep, for whoever reads it: see `jobs` on why what is defined lies in modules with an underscore."""

from ._importance import UnknownImportance, compute_importances
from ._pictures import draw_figure
from ._results import SweepResults, result_key

__all__ = ["SweepResults", "UnknownImportance", "compute_importances", "draw_figure", "result_key"]
