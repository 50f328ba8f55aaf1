"""Opens or downloads data sets of torchvision; errors say what to do."""

import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candelabra.errors import CandelabraError

_TIMEOUT = 30.0  # seconds to wait for an answer of a server


def open_torchvision_set(kind: Callable[..., Any], root: str, download: bool, **options: Any) -> Any:
    """Opens a data set of torchvision below `root`; torchvision verifies the checksums of its files.

    Args:
        kind: torchvision's class.
        root: the folder of the data set.
        download: download it if it is missing.
        options: further arguments of the class, such as the split.

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
        with _limit_waiting():
            return kind(folder, download=True, **options)
    except (OSError, RuntimeError, ValueError, ImportError, EOFError, pickle.UnpicklingError) as error:
        raise CandelabraError(
            f"{name} could not be fetched into data.root={root} ({_brief(error)}); go online, or give the folder "
            "where it already is with data.root=<folder>."
        ) from error


def open_torchvision_splits(
    kind: Callable[..., Any], root: str, download: bool, **splits: Sequence[Any]
) -> dict[Any, Any]:
    """Opens several splits of a data set of torchvision; see `open_torchvision_set`.

    Args:
        kind: torchvision's class.
        root: the folder of the data set.
        download: download it if it is missing.
        splits: the argument of the class that chooses a split, and its values: `train=(True, False)`, say.

    Returns:
        The data sets by value, in the order of the values.
    """
    ((option, values),) = splits.items()
    return {value: open_torchvision_set(kind, root, download, **{option: value}) for value in values}


@contextmanager
def _limit_waiting() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
