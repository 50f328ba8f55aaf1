"""`candelabra explain cam`."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from candelabra.cli.arguments import Arguments, parse_arguments
from candelabra.commands.compare import make_run_folder
from candelabra.errors import CandelabraError, list_nearest

_SHARED = ("size", "device", "folder")


def run_explain(words: Sequence[str]) -> None:
    """Runs an action and prints where its pictures are.

    Args:
        words: as typed: an action and keys with their values.

    Raises:
        CandelabraError: a word is not known or missing, or an action cannot be done.
    """
    action, *rest = words or [""]
    if action not in _ACTIONS:
        given = f"explain {action} is not known" if action else "candelabra explain needs a word"
        raise CandelabraError(f"{given}; allowed are {list_nearest(action, _ACTIONS)}.")
    function, needed, further = _ACTIONS[action]
    arguments = parse_arguments(rest, [*needed, *further, *_SHARED], f"explain {action}")
    for word in arguments.positional:
        raise CandelabraError(f"explain {action} takes keys with values, and no {word}; as in {needed[0]}=<...>.")
    for key in needed:
        if key not in arguments.options:
            raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    logging.getLogger("timm").setLevel(logging.WARNING)
    folder = Path(arguments.options["folder"]) if "folder" in arguments.options else make_run_folder()
    function(arguments, folder)


def _run_cam(arguments: Arguments, folder: Path) -> None:
    methods = _split(arguments, "method", "gradcam")
    sign = arguments.choice("sign", ["positive", "negative"])
    from candelabra.data.decoding.image_sources import list_sources
    from candelabra.explain.cam_files import CamRequest, write_cams
    from candelabra.explain.explanation import check_methods
    from candelabra.explain.loading import load_explained
    from candelabra.explain.methods import METHODS
    from candelabra.prediction.output_names import choose_output_names

    methods = list(METHODS) if methods == ["all"] else methods
    check_methods(methods)
    options = arguments.options
    request = CamRequest(
        options.get("head"), options.get("target"), methods, _split(arguments, "layer", "auto"), sign == "negative"
    )
    paths = list_sources(options["source"])
    model = load_explained(options["checkpoint"], options.get("device", "auto"), _parse_size(arguments))
    count = write_cams(model, paths, choose_output_names(paths), request, folder)
    print(f"{count} of {len(paths)} images: {folder / 'explain.html'}, {folder / 'pictures'}, {folder / 'explain.npz'}")


def _parse_size(arguments: Arguments) -> int | None:
    return arguments.number("size", 224, 8, 4096, "pixels") if "size" in arguments.options else None


def _split(arguments: Arguments, key: str, default: str) -> list[str]:
    """The words of an option that takes several, with commas between them."""
    return [word.strip() for word in arguments.options.get(key, default).strip("[]").split(",") if word.strip()]


_Action = tuple[Callable[[Arguments, Path], None], Sequence[str], Sequence[str]]
_ACTIONS: Mapping[str, _Action] = {  # what runs, the keys that must be given, further keys
    "cam": (_run_cam, ("checkpoint", "source"), ("head", "target", "method", "layer", "sign")),
}
