"""Find and read the checkpoints of a run, without pickle."""

from pathlib import Path
from typing import Any

import torch

from candelabra.errors import CandelabraError
from candelabra.storage.archives import check_archive

CHECKPOINT_FOLDER = "checkpoints"
CHECKPOINT_FORMAT = 2  # of `Task.recipe`; another one is refused


def find_checkpoint(given: str | Path, which: str = "best") -> Path:
    """Return the path of a checkpoint.

    Args:
        given: a checkpoint, or the folder of a run.
        which: best or last; the checkpoint to take from a folder. If missing, the newest one is taken.

    Raises:
        CandelabraError: there is no checkpoint.
    """
    path = Path(given).expanduser()
    for candidate in (path, path / CHECKPOINT_FOLDER / f"{which}.ckpt", *list_checkpoints(path)):
        if candidate.is_file():
            return candidate
    raise CandelabraError(f"{given} is neither a checkpoint nor the folder of a run that has one.")


def list_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints from which a run can be resumed, newest first."""
    last = run / CHECKPOINT_FOLDER / "last.ckpt"
    earlier = sorted((run / CHECKPOINT_FOLDER).glob("step-*.ckpt"), reverse=True)
    return [path for path in (last, *earlier) if path.is_file()]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `candelabra train` to the CPU; tensors are memory-mapped.

    Raises:
        CandelabraError: it cannot be read, is not a checkpoint of candelabra, or has another format.
    """
    try:
        check_archive(path)
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch, pickle and zip raise any kind of error for damaged files
        others = [str(other) for other in list_checkpoints(path.parent.parent) if other != path]
        hint = f"; an earlier one is {others[0]}" if others else ""
        raise CandelabraError(
            f"checkpoint={path} cannot be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); is it complete?{hint}"
        ) from error
    recipe = content.get("candelabra") if isinstance(content, dict) else None
    if not recipe or not isinstance(recipe, dict):
        raise CandelabraError(
            f"checkpoint={path} has no recipe to rebuild its task from, as candelabra train did not write it; give one "
            "that it wrote, or save a task that candelabra.tasks.loading.build_task made."
        )
    found = recipe.get("format")
    if found != CHECKPOINT_FORMAT:
        raise CandelabraError(
            f"checkpoint={path} has format {found}, this version reads {CHECKPOINT_FORMAT}; use the candelabra "
            f"that wrote it (version {recipe.get('version', 'unknown')}), or train again."
        )
    state, plugins = content.get("state_dict"), recipe.setdefault("plugins", [])
    whole = (
        isinstance(recipe.get("config"), dict) and isinstance(recipe.get("labels"), dict) and isinstance(state, dict)
    )
    if not whole or not isinstance(plugins, list) or not all(isinstance(record, dict) for record in plugins):
        raise CandelabraError(f"checkpoint={path} is damaged: config, labels, plugins or weights are missing.")
    return content
