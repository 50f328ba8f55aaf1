"""The command line as a process of its own, which ends with its command.

Importing torch, Lightning and timm makes some 700,000 objects. Python's garbage collector walks through them again and
again while they are imported, and the end of the process frees each of them; the two take a third of a short command.
"""

import atexit
import gc
import os
import sys


def run_process() -> None:
    """Runs `main` without what a process need not do that ends with it; see `main` for the exit codes.

    The garbage collector waits until the libraries are imported (`import_libraries`). At the end, after threads and
    exit handlers, the system frees the memory at once, unless a debugger or a profiler traces the process.
    """
    codes: list[int] = []
    atexit.register(_leave, codes)  # registered first, so that it is called last
    gc.disable()

    from candelabra.cli.main import main

    try:
        main()
        codes.append(0)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            codes.append(ended.code or 0)
        raise


def _leave(codes: list[int]) -> None:
    """Ends the process; errors that passed `main`, and output that nobody reads, are left to Python."""
    if codes and sys.gettrace() is None and sys.getprofile() is None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        os._exit(codes[0])
