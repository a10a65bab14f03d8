"""Metrics and health over HTTP, for Prometheus and for supervisors: ``set metrics HOST:PORT``.

Two pages can be read, ``/metrics`` and ``/healthz``; nothing can be changed. On a loopback address
the name of the host in a request must be one of this host, so that no page in a browser can read
the metrics by a name of its own that leads here.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from ...adapters.config.metrics_sanity import ListenAddress, read_address
from ...adapters.http.server_machine import HttpRequest, HttpServerConnection
from ...protocols.errors import ConnectionLost, RemoteProtocolError
from ..polls.metrics import OPENMETRICS, PLAIN
from .view import View

REQUEST_SECONDS = 10.0
"""Seconds that a client has for its request and for reading the answer."""
MOST_CLIENTS = 16
"""Clients at a time; others wait."""

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
Answer = tuple[int, Sequence[tuple[str, str]], bytes]


class Exposition:
    """Serves the pages at one address after the other: a reload may change it."""

    def __init__(self, view: View, say: Callable[[str], None]) -> None:
        self._view = view
        self._say = say
        self._address: ListenAddress | None = None
        self._changed = trio.Event()
        self._clients = trio.CapacityLimiter(MOST_CLIENTS)
        self.listening = trio.Event()
        """Set while it listens; for tests."""
        self.port = 0
        """The port of the last address."""

    def use(self, address: str | None) -> None:
        """Serve at this address from now on, which has been checked; at none for None."""
        wanted = None if address is None else read_address(address)
        if wanted != self._address:
            self._address = wanted
            self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError if the address cannot be used."""
        while True:
            self._changed = changed = trio.Event()
            if self._address is None:
                await changed.wait()
                continue
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve, self._address)
                await changed.wait()
                nursery.cancel_scope.cancel()

    async def _serve(self, address: ListenAddress) -> None:
        host = "127.0.0.1" if address.host == "localhost" else address.host
        listeners = await trio.open_tcp_listeners(address.port, host=host)
        self.port = int(listeners[0].socket.getsockname()[1])
        self._say(f"metrics at http://{ListenAddress(address.host, self.port)}/metrics")
        self.listening.set()
        try:
            await trio.serve_listeners(self._answer, listeners)
        finally:
            self.listening = trio.Event()

    async def _answer(self, stream: trio.SocketStream) -> None:
        # A client that goes away, or is too slow, affects nobody else.
        gone = (ConnectionLost, trio.BrokenResourceError, OSError)
        with trio.move_on_after(REQUEST_SECONDS), suppress(*gone):
            async with stream:
                if self._clients.available_tokens < 1:
                    # It must not wait with a descriptor that the polls may need.
                    return
                async with self._clients:
                    connection = HttpServerConnection()
                    answer = await self._page(stream, connection)
                    await stream.send_all(connection.response(*answer))

    async def _page(self, stream: trio.SocketStream, connection: HttpServerConnection) -> Answer:
        try:
            while (request := connection.request()) is None:
                connection.receive_data(await stream.receive_some(65536))
        except ConnectionLost:
            raise
        except RemoteProtocolError:
            return plain(400, "not understood")
        return await self.page(request)

    async def page(self, request: HttpRequest) -> Answer:
        """Return the answer to a request: status, fields and body."""
        pages: dict[str, Callable[[HttpRequest], Awaitable[Answer]]] = {
            "/metrics": self._metrics,
            "/healthz": self._health,
            "/": self._index,
        }
        if self._address is not None and not names_this_host(request, self._address):
            return plain(421, "this is not the host of that name")
        if request.target not in pages:
            return plain(404, "there are /metrics and /healthz")
        if request.method not in {"GET", "HEAD"}:
            return plain(405, "only GET and HEAD are allowed", [("Allow", "GET, HEAD")])
        return await pages[request.target](request)

    async def _metrics(self, request: HttpRequest) -> Answer:
        newer = "application/openmetrics-text" in request.field("accept")
        text = await self._view.metrics(openmetrics=newer)
        return 200, [("Content-Type", OPENMETRICS if newer else PLAIN)], text.encode()

    async def _health(self, request: HttpRequest) -> Answer:
        del request
        found = self._view.health()
        body = json.dumps(found).encode() + b"\n"
        return 200 if found["ok"] else 503, [("Content-Type", JSON)], body

    async def _index(self, request: HttpRequest) -> Answer:
        del request
        return plain(200, "mailhaul: /metrics and /healthz")


def names_this_host(request: HttpRequest, address: ListenAddress) -> bool:
    """Whether a request that came to a loopback address is meant for it."""
    if not address.is_loopback:
        return True
    host = request.field("host").lower()
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name in {"", "localhost", "127.0.0.1", "[::1]", address.host, f"[{address.host}]"}


def plain(status: int, text: str, more: Sequence[tuple[str, str]] = ()) -> Answer:
    """Return an answer of one line."""
    return status, [("Content-Type", TEXT), *more], f"{text}\n".encode()
