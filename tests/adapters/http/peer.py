"""An HTTP server in the simulated runtime: it takes whole requests, and sends what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import h11

from mailhaul.flows.channel import Channel
from mailhaul.flows.requests import Close, Tcp, Wait
from mailhaul.runtimes.simulated import Simulation

HOST = Tcp("issuer.example", 443)


class Taken:
    """A request as the server sees it."""

    def __init__(self, request: h11.Request, body: bytes) -> None:
        self.method = request.method.decode()
        self.target = request.target.decode()
        self.fields = [(name.decode(), value.decode()) for name, value in request.headers]
        self.body = body

    def field(self, name: str) -> str | None:
        found = [value for key, value in self.fields if key == name]
        assert len(found) <= 1
        return found[0] if found else None


class Peer:
    """The endpoint of the server: h11 reads the requests, the answers are bytes."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)
        self._out: list[bytes] = []
        self._request: h11.Request | None = None
        self._body = bytearray()
        self.received = 0
        self.ended = False

    def receive_data(self, data: bytes) -> None:
        self.received += len(data)
        self._http.receive_data(data)

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    @property
    def unsent(self) -> int:
        return sum(map(len, self._out))

    def say(self, data: bytes) -> None:
        # A runtime takes no empty pieces.
        if data:
            self._out.append(data)

    def begin_again(self) -> None:
        """What follows is the next connection, in the tunnel, or the next request."""
        self._http = h11.Connection(h11.SERVER)
        self._request, self._body = None, bytearray()

    def request(self) -> Taken | None:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return None
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert self._request
                return Taken(self._request, bytes(self._body))
            else:
                return None


Answer = Callable[[Taken, Channel[Peer]], bytes]
Serve = Callable[[Channel[Peer]], Awaitable[None]]


async def next_request(channel: Channel[Peer]) -> Taken | None:
    """Return the next request; None if the client has closed."""
    while (taken := channel.machine.request()) is None:
        if channel.machine.ended:
            return None
        await Wait([channel], 10_000.0)
    channel.machine.begin_again()
    return taken


async def until_closed(channel: Channel[Peer]) -> None:
    while not channel.machine.ended:
        await Wait([channel], 10_000.0)


class Server:
    """Answers each request with the next of these texts; ``taken`` are the requests."""

    def __init__(self, *answers: bytes, keep: bool = False) -> None:
        self.answers = list(answers)
        self.taken: list[Taken] = []
        self.connections = 0
        self._keep = keep

    async def serve(self, channel: Channel[Peer]) -> None:
        self.connections += 1
        while taken := await next_request(channel):
            self.taken.append(taken)
            channel.machine.say(self.answers.pop(0))
            if not self._keep:
                break
        await Close(channel)


def simulation(serve: Any, *, address: Tcp = HOST, **options: Any) -> Simulation:
    made = Simulation(**options)
    made.listen(address, Peer, serve)
    return made
