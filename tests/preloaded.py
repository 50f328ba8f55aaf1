"""What processes of tests begin with that are forked from one that has run nothing: see `in_a_process`.

What a run imports late, and what its words are composed with, would else be loaded in each of them.
"""

import gc
from importlib import import_module

from matplotlib.figure import Figure

from tests.small_runs import composed, save_blank

Figure.savefig = save_blank  # type: ignore[assignment, method-assign]
for name in ("pandas", "sklearn.metrics"):
    import_module(name)
for task in ("multitask", "classification"):
    composed("train", f"task={task}")
gc.freeze()  # forked processes share these objects, and need not look at them
