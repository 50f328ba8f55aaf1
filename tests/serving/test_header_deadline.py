"""Clients that send their headers slowly do not hold connections; those that are quick notice nothing."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

uvicorn = pytest.importorskip("uvicorn")
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import PlainTextResponse, Response  # noqa: E402
from starlette.routing import Route  # noqa: E402

from candelabra.serving.header_deadline import make_http_protocol  # noqa: E402

SECONDS = 0.5
REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"


async def answer_slowly(request: Request) -> Response:
    await asyncio.sleep(1.5 * SECONDS)  # longer than headers may take
    return PlainTextResponse("fine")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette(routes=[Route("/", answer_slowly)])
    config = uvicorn.Config(app, port=0, http=make_http_protocol(SECONDS), log_level="error", timeout_keep_alive=60)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(timeout=20)


def ask(connection: socket.socket) -> bytes:
    connection.sendall(REQUEST)
    found = b""
    while not found.endswith(b"fine"):
        found += connection.recv(4096)
    return found


def read_until_closed(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    parts = []
    while part := connection.recv(4096):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nhost: te"])
def test_a_connection_whose_headers_do_not_arrive_is_closed(start: bytes, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(start)
        assert read_until_closed(connection).startswith(b"HTTP/1.1 408")


def test_single_bytes_do_not_prolong_the_time(port: int) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        stop = threading.Event()

        def drip() -> None:
            try:
                for byte in b"GET / HTTP/1.1\r\nhost: test\r\nx: " + b"x" * 500:
                    connection.sendall(bytes([byte]))
                    if stop.wait(0.1):
                        return
            except OSError:
                return

        thread = threading.Thread(target=drip)
        thread.start()
        found = connection.recv(4096)
        stop.set()
        thread.join()
    assert found.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 15 * SECONDS


def test_a_slow_answer_and_a_second_request_on_a_connection_are_not_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(20)
        for _ in range(2):
            assert ask(connection).startswith(b"HTTP/1.1 200")
        time.sleep(1.5 * SECONDS)  # idle, until the server's own limit of 60 s
        assert ask(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HT")
        assert read_until_closed(connection).startswith(b"HTTP/1.1 408")
