"""Run the application in uvicorn."""

import logging

from candelabra.runtime.model import Model
from candelabra.serving.app import make_app
from candelabra.serving.header_deadline import make_http_protocol
from candelabra.serving.limits import ServingLimits

log = logging.getLogger(__name__)


def run_server(model: Model, limits: ServingLimits, host: str, port: int) -> None:
    """Serves until a signal asks to stop; requests that have begun are answered first.

    Args:
        model: that answers.
        limits: of requests.
        host: address to listen at; 127.0.0.1 is reached from this machine alone.
        port: likewise.
    """
    import uvicorn

    config = uvicorn.Config(
        make_app(model, limits),
        host=host,
        port=port,
        http=make_http_protocol(limits.seconds),  # h11, which bounds the size of headers
        ws="none",
        limit_concurrency=2 * limits.waiting,
        backlog=128,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=limits.seconds,
        log_level="warning",
        access_log=False,
    )
    print(f"http://{host}:{port} answers pictures; Ctrl-C stops it", flush=True)
    uvicorn.Server(config).run()
