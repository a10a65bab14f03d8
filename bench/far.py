"""A line to a distant server: ``python -m bench.far MILLISECONDS PORT [HOST ...]``.

It prints its port, and carries every connection to that port of this machine. Octets arrive half
a round trip late, in order and without a limit of bandwidth. The handshake of TCP takes its time
as well: the server sees a connection one and a half round trips after the client began, and what
the client says before is late by as much as if it had waited. With hosts, there is a listener at
each of these addresses.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque


class End(asyncio.Protocol):
    """One of two ends of a connection; what it reads is written at the other one later."""

    def __init__(self, round_trip: float) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self.open_from = 0.0
        self.ended = False
        self._round_trip = round_trip
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Keep octets for half a round trip; an empty text is the end of the stream."""
        began = max(self._loop.time(), self.open_from)
        self._due.append((began + self._round_trip / 2, data))
        if self._timer is None:
            self._timer = self._loop.call_at(self._due[0][0], self.hand_on)

    def eof_received(self) -> bool:
        """Keep the end as well; the other direction stays open."""
        self.ended = True
        self.data_received(b"")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on that the connection is gone, after what is under way."""
        self.ended = True
        self.data_received(b"")

    def hand_on(self) -> None:
        """Write what is due, if there is a connection to write to."""
        self._timer = None
        if self.other is None or self.other.transport is None:
            return
        target = self.other.transport
        now = self._loop.time()
        while self._due and self._due[0][0] <= now:
            data = self._due.popleft()[1]
            if target.is_closing():
                continue
            if data:
                target.write(data)
            elif self.other.ended:
                target.close()
            else:
                target.write_eof()
        if self._due:
            self._timer = self._loop.call_at(self._due[0][0], self.hand_on)


class Near(End):
    """The client's end: it connects to the server when the handshake would be over."""

    def __init__(self, round_trip: float, port: int) -> None:
        super().__init__(round_trip)
        self._port = port
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect in one and a half round trips."""
        super().connection_made(transport)
        self.open_from = self._loop.time() + self._round_trip
        self._task = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        await asyncio.sleep(1.5 * self._round_trip)
        far = End(self._round_trip)
        far.other = self
        try:
            await self._loop.create_connection(lambda: far, "127.0.0.1", self._port)
        except OSError:
            assert self.transport
            self.transport.abort()
            return
        self.other = far
        self.hand_on()


async def serve(round_trip: float, port: int, hosts: list[str]) -> None:
    """Listen until the process is ended."""
    loop = asyncio.get_running_loop()
    taken = 0
    for host in hosts:
        server = await loop.create_server(
            lambda: Near(round_trip, port), host, taken, backlog=2500, start_serving=True
        )
        taken = server.sockets[0].getsockname()[1]
    print(taken, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    milliseconds, to, *addresses = sys.argv[1:]
    asyncio.run(serve(float(milliseconds) / 1000, int(to), addresses or ["127.0.0.1"]))
