"""`candelabra serve`: an exported model over HTTP; imports no torch."""

from collections.abc import Sequence

from candelabra.cli.arguments import parse_arguments
from candelabra.environment import require_package
from candelabra.errors import CandelabraError

_LIMITS = {  # the range of each limit, and its unit
    "megabytes": (1, 1000, "megabytes"),
    "megapixels": (1, 50, "millions of pixels"),
    "pictures": (1, 1000, "pictures"),
    "waiting": (1, 10000, "pictures"),
    "seconds": (1, 3600, "seconds"),
    "batch": (1, 256, "pictures"),
    "window": (0, 1000, "milliseconds"),
}


def run_serve(words: Sequence[str]) -> None:
    """Serves an exported model until a signal asks to stop.

    Args:
        words: as typed.

    Raises:
        CandelabraError: a word is not known, the model cannot be used, or a package is missing.
    """
    arguments = parse_arguments(words, ("model", "host", "port", "threads", *_LIMITS), "serve")
    if arguments.positional or "model" not in arguments.options:
        raise CandelabraError("candelabra serve takes model=<exported file>, as model=exported/model.onnx.")
    for package in ("starlette", "uvicorn"):
        require_package(package, "candelabra serve")
    from candelabra.runtime.model import Model
    from candelabra.serving.limits import ServingLimits
    from candelabra.serving.server import run_server

    defaults = vars(ServingLimits())
    values = {key: arguments.number(key, defaults[key], *_LIMITS[key]) for key in _LIMITS}
    port = arguments.number("port", 8000, 1, 65535, "numbers of ports")
    threads = arguments.number("threads", 0, 0, 1024, "threads of one run, 0 for all cores,")
    model = Model(arguments.options["model"], threads=threads or None)
    run_server(model, ServingLimits(**values), arguments.options.get("host", "127.0.0.1"), port)
