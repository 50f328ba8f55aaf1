"""What came of a sweep, for whoever reads it: see `jobs` on why what is defined lies in modules with an underscore."""

from ._importance import NotKnown, importances
from ._pictures import draw
from ._results import Results, key_of

__all__ = ["NotKnown", "Results", "draw", "importances", "key_of"]
