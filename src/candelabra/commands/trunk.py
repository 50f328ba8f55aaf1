"""`candelabra trunk export | push | pull`."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from candelabra.errors import CandelabraError, list_nearest
from candelabra.runs.overrides import resolve_run_folder

_KEYS = {"export": ("folder", "licence"), "push": ("repo", "private"), "pull": ("repo", "folder")}
_SWITCHES = {"true": True, "false": False}


def run_trunk(words: Sequence[str]) -> None:
    """Does what the first word says, and tells where things are.

    Args:
        words: as typed.

    Raises:
        CandelabraError: a word is not known or missing, or see `export_backbone`, `push_to_hub` and `pull_from_hub`.
    """
    action, *rest = words or [""]
    if action not in _KEYS:
        given = f"trunk {action} is not known" if action else "candelabra trunk needs a word"
        raise CandelabraError(f"{given}; allowed are {list_nearest(action, _KEYS)}.")
    places = [Path(word) for word in rest if "=" not in word]
    keys = dict(word.split("=", 1) for word in rest if "=" in word)
    for key in keys:
        if key not in _KEYS[action]:
            raise CandelabraError(f"{key}= is not known; trunk {action} takes {', '.join(_KEYS[action])}.")
    if len(places) != (action != "pull"):
        wanted = {"export": "the folder of one run", "push": "one exported trunk", "pull": "no folder but folder="}
        raise CandelabraError(f"candelabra trunk {action} takes {wanted[action]}.")
    warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    logging.getLogger("timm").setLevel(logging.WARNING)
    if action == "export":
        folder = Path(keys.get("folder", resolve_run_folder(places[0]) / "trunk"))
        for remark in export_run(places[0], folder, keys.get("licence")):
            print(remark)
        print(f"{folder}: candelabra train backbone.weights={folder} starts from it; README.md there says more.")
    else:
        _carry(action, places, keys)


def export_run(run: Path, folder: Path, licence: str | None) -> list[str]:
    """Exports the backbone of a run; see `export_backbone`.

    Args:
        run: its folder, or a checkpoint in it.
        folder: where the backbone goes.
        licence: that it is given; null leaves it open.

    Returns:
        Remarks for the user, in sentences.
    """
    from candelabra.backbones.export.folder import check_export_folder, export_backbone
    from candelabra.tasks.loading import load_task

    check_export_folder(folder)
    task = load_task(run)
    return export_backbone(task.backbone, task.recipe, resolve_run_folder(run), folder, licence)


def _carry(action: str, places: Sequence[Path], keys: Mapping[str, str]) -> None:
    from candelabra.backbones.export.hub import pull_from_hub, push_to_hub

    if "repo" not in keys:
        raise CandelabraError(f"candelabra trunk {action} needs repo=<owner>/<name>.")
    if action == "pull":
        folder = Path(keys.get("folder", keys["repo"].rpartition("/")[2]))
        pull_from_hub(keys["repo"], folder)
        print(f"{folder}: candelabra train backbone.weights={folder} starts from it.")
        return
    private = keys.get("private", "false")
    if private not in _SWITCHES:
        raise CandelabraError(f"private={private} is not known; allowed are true and false.")
    print(push_to_hub(places[0], keys["repo"], _SWITCHES[private]))
