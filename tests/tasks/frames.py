"""Functions of the package on the call stack."""

import inspect


def own_frames() -> list[str]:
    """Qualified names of the package's functions that are running, the outermost first."""
    frames = [info.frame for info in inspect.stack()]
    return [
        frame.f_code.co_qualname
        for frame in reversed(frames)
        if frame.f_globals.get("__name__", "").partition(".")[0] == "candelabra"
    ]
