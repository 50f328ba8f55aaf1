"""The import of what a command needs, without what costs time alone."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

UNUSED = ("wandb",)  # timm imports it, where it is installed, for the log of a script of its own


@contextmanager
def import_libraries(hidden: Sequence[str] = ()) -> Iterator[None]:
    """Within it a command imports its libraries; afterwards a paused garbage collector runs, and leaves them out.

    Args:
        hidden: packages whose import fails within it, unless they are imported already.
    """
    hidden = [name for name in hidden if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)  # type: ignore[arg-type] # None: Python's mark of what cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
