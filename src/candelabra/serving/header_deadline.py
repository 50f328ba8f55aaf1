"""A limit of the time in which the headers of a request arrive; uvicorn itself waits for ever."""

import asyncio


def make_http_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Makes uvicorn's protocol close connections whose headers take too long, after a 408.

    The time begins with the connection, or with the first byte of a further request on it; single bytes that arrive
    now and then do not prolong it.

    Args:
        seconds: until the headers are complete.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class HeaderDeadlineProtocol(H11Protocol):
        deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch_headers()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_headers()

        def _watch_headers(self) -> None:
            waiting = self.conn.their_state is h11.IDLE
            if waiting and self.deadline is None:
                self.deadline = self.loop.call_later(seconds, self._refuse)
            elif self.deadline is not None and not waiting:
                self.deadline.cancel()
                self.deadline = None

        def _refuse(self) -> None:
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                self.transport.close()

    return HeaderDeadlineProtocol
