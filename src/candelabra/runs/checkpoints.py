"""Where checkpoints of a run are, and how one is read: no network, no pickle."""

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from candelabra.errors import CandelabraError

CHECKPOINT_FOLDER = "checkpoints"
CHECKPOINT_FORMAT = 2  # of `Task.recipe`; another one is refused


def find_checkpoint(given: str | Path, which: str = "best") -> Path:
    """The file meant by a checkpoint, or by the folder of a run: its `which` (best or last), else its newest.

    Raises:
        CandelabraError: there is none.
    """
    path = Path(given)
    for candidate in (path, path / CHECKPOINT_FOLDER / f"{which}.ckpt", *list_checkpoints(path)):
        if candidate.is_file():
            return candidate
    raise CandelabraError(f"{given} is neither a checkpoint nor the folder of a run that has one.")


def list_checkpoints(run: Path) -> list[Path]:
    """The checkpoints from which a run can go on, newest first."""
    last = run / CHECKPOINT_FOLDER / "last.ckpt"
    earlier = sorted((run / CHECKPOINT_FOLDER).glob("step-*.ckpt"), reverse=True)
    return [path for path in (last, *earlier) if path.is_file()]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `candelabra train` wrote, on the CPU; tensors are read from disk where they are used.

    Raises:
        CandelabraError: it cannot be read, or is not one of ours.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        others = [str(other) for other in list_checkpoints(path.parent.parent) if other != path]
        hint = f"; an earlier one is {others[0]}" if others else ""
        raise CandelabraError(
            f"checkpoint={path} cannot be read ({type(error).__name__}); is it complete?{hint}"
        ) from error
    if not isinstance(content, dict) or not content.get("candelabra"):
        raise CandelabraError(f"checkpoint={path} was not written by candelabra train; give one that was.")
    found = content["candelabra"].get("format")
    if found != CHECKPOINT_FORMAT:
        raise CandelabraError(
            f"checkpoint={path} has format {found}, this version reads {CHECKPOINT_FORMAT}; use the candelabra "
            f"that wrote it (version {content['candelabra'].get('version', 'unknown')}), or train again."
        )
    return content
