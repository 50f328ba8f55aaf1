"""Data sets of torchvision, on disk or fetched, with an error that says what to do when that cannot be."""

import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError

_PATIENCE = 30.0  # seconds that a server may say nothing


def open_torchvision_set(kind: Callable[..., Any], root: str, download: bool, **options: Any) -> Any:
    """A data set of torchvision below `root`; its files are checked against their published sums first.

    Args:
        kind: torchvision's class.
        root: where it is, or is to be.
        download: fetch it where it is not there.
        options: what else the class takes, such as the split.

    Raises:
        CandelabraError: it is not there, is damaged, or cannot be fetched or written.
    """
    name = getattr(kind, "__name__", str(kind))
    folder = str(Path(root).expanduser())
    try:
        return kind(folder, **options)
    except (OSError, RuntimeError, ValueError, ImportError, EOFError, pickle.UnpicklingError) as error:
        if not download:
            raise CandelabraError(
                f"data.root={root} holds no {name} as torchvision keeps it ({_brief(error)}); give the folder that "
                "does, or fetch it with data.download=true where the data set has that word."
            ) from error
    try:
        with _impatient():
            return kind(folder, download=True, **options)
    except (OSError, RuntimeError, ValueError, ImportError, EOFError, pickle.UnpicklingError) as error:
        raise CandelabraError(
            f"{name} could not be fetched into data.root={root} ({_brief(error)}); go online, or give the folder "
            "where it already is with data.root=<folder>."
        ) from error


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
