"""`candelabra trunk export | push | pull`."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

from candelabra.cli.arguments import Arguments, parse_arguments
from candelabra.errors import CandelabraError, list_nearest
from candelabra.runs.overrides import resolve_run_folder

_KEYS = {"export": ("folder", "licence"), "push": ("repo", "private"), "pull": ("repo", "folder")}


def run_trunk(words: Sequence[str]) -> None:
    """Exports, pushes or pulls a trained backbone, and prints where it is.

    Args:
        words: as typed.

    Raises:
        CandelabraError: a word is not known or missing, or see `export_backbone`, `push_to_hub` and `pull_from_hub`.
    """
    action, *rest = words or [""]
    if action not in _KEYS:
        given = f"trunk {action} is not known" if action else "candelabra trunk needs a word"
        raise CandelabraError(f"{given}; allowed are {list_nearest(action, _KEYS)}.")
    arguments = parse_arguments(rest, _KEYS[action], f"trunk {action}")
    places, options = [Path(word) for word in arguments.positional], arguments.options
    if len(places) != (action != "pull"):
        wanted = {"export": "the folder of one run", "push": "one exported trunk", "pull": "no folder but folder="}
        raise CandelabraError(f"candelabra trunk {action} takes {wanted[action]}.")
    warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    logging.getLogger("timm").setLevel(logging.WARNING)
    if action == "export":
        folder = Path(options.get("folder", resolve_run_folder(places[0]) / "trunk"))
        for remark in export_run(places[0], folder, options.get("licence")):
            print(remark)
        print(f"{folder}: candelabra train backbone.weights={folder} starts from it; README.md there says more.")
    else:
        _transfer(action, places, arguments)


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


def _transfer(action: str, places: Sequence[Path], arguments: Arguments) -> None:
    """Pushes a trunk to the Hugging Face hub, or pulls one."""
    from candelabra.backbones.export.hub import pull_from_hub, push_to_hub

    options = arguments.options
    if "repo" not in options:
        raise CandelabraError(f"candelabra trunk {action} needs repo=<owner>/<name>.")
    if action == "pull":
        folder = Path(options.get("folder", options["repo"].rpartition("/")[2]))
        pull_from_hub(options["repo"], folder)
        print(f"{folder}: candelabra train backbone.weights={folder} starts from it.")
        return
    print(push_to_hub(places[0], options["repo"], arguments.switch("private")))
