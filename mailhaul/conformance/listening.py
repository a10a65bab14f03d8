"""Servers on real sockets: a thread for each listener and one for each of its connections.

Each connection runs one of the in-memory services on the blocking runtime, with its machine
wrapped in rules (wire_faults.py).
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import coroutine
from typing import TYPE_CHECKING, Any, cast

from ..flows.channel import Channel
from ..flows.requests import (
    Close,
    Request,
    RuntimeFault,
    Sleep,
    TimedOut,
    Trust,
    UpgradeToTls,
    Wait,
)
from ..runtimes import blocking
from ..runtimes.engine import Engine
from .connections import Connection
from .wire_faults import FaultyMachine

if TYPE_CHECKING:
    import ssl

    from ..runtimes.tls import TlsLayer

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for a TLS handshake."""
JOIN_TIMEOUT = 3.0
"""Seconds in which the last session may end after its client has."""

Flow = Coroutine[Request[Any], Any, Any]


@dataclass
class Session:
    """What serves one connection.

    ``hold`` is for how many seconds each output waits for what comes too early. ``wrapped`` says
    that TLS comes before the greeting.
    """

    channel: Channel[Any]
    flow: Flow
    hold: float = 0.0
    context: ssl.SSLContext | None = None
    wrapped: bool = False

    @property
    def machine(self) -> FaultyMachine:
        """The machine with its rules."""
        machine: FaultyMachine = self.channel.machine
        return machine

    @property
    def connection(self) -> Connection:
        """The record of the connection."""
        return self.machine.connection


class SlicedSocket:
    """A socket that sends as many octets in a segment as the machine says."""

    def __init__(self, sock: socket.socket, machine: FaultyMachine) -> None:
        self._sock = sock
        self._machine = machine
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendmsg(self, buffers: Sequence[memoryview], /) -> int:
        """Send the next slice, after the client had some time to read the last one."""
        if not self._machine.slices:
            return self._sock.sendmsg(buffers)
        time.sleep(0.0005)
        return self._sock.send(buffers[0][: self._machine.slices])


class Listener:
    """A server on one address. ``open_session`` is called for each connection."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self._open_session = open_session
        self._server = socket.create_server(address)
        self._waker, self._woken = socket.socketpair()
        self._sessions: list[tuple[threading.Thread, socket.socket]] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.getsockname()[1])

    def close(self) -> None:
        """Accept no more, let the sessions end, and end those that do not."""
        self._waker.send(b"!")
        self._acceptor.join()
        deadline = time.monotonic() + JOIN_TIMEOUT
        for thread, _ in self._sessions:
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread, sock in self._sessions:
            if thread.is_alive():
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                thread.join(JOIN_TIMEOUT)
        for sock in (self._server, self._waker, self._woken):
            sock.close()

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._server, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._server.fileno() in ready:
                with suppress(OSError):
                    sock, _ = self._server.accept()
                    self._begin(sock)
            elif self._woken.fileno() in ready:
                return

    def _begin(self, sock: socket.socket) -> None:
        session = self._open_session()
        thread = threading.Thread(target=serve, args=(session, sock), daemon=True)
        self._sessions = [pair for pair in self._sessions if pair[0].is_alive()]
        self._sessions.append((thread, sock))
        thread.start()


def serve(session: Session, sock: socket.socket) -> None:
    """Serve a connection until it ends. A fault of ours is kept in its record."""
    connection = session.connection
    engine = Engine(time.monotonic, tls=lambda trust: layer_of(session))
    sliced = SlicedSocket(sock, session.machine)
    engine.adopt(session.channel, cast(socket.socket, sliced))
    connection.remark("connected")
    try:
        blocking.run(with_rules(session), engine)
    except Exception as fault:
        connection.fault = f"{type(fault).__name__}: {fault}"
    connection.remark("closed by the client" if connection.closed_by_client else "closed")


def layer_of(session: Session) -> TlsLayer:
    """Return the TLS layer of a session."""
    from ..runtimes.tls import server_layer

    if session.context is None:
        raise RuntimeFault("no certificate")
    return server_layer(session.context)


async def secure(channel: Channel[Any]) -> None:
    """Perform the server's side of the handshake. Raises RuntimeFault."""
    connection: Connection = channel.machine.connection
    try:
        await UpgradeToTls(channel, Trust("", verify=False), HANDSHAKE_TIMEOUT)
    except RuntimeFault as fault:
        connection.handshake = str(fault)
        connection.remark(f"TLS handshake failed: {fault}")
        raise
    connection.handshake = "done"
    connection.tls = True
    connection.remark("TLS started")


async def with_rules(session: Session) -> None:
    """Run the flow of a session; hold its output back and end it where the rules say so."""
    if session.wrapped:
        try:
            await secure(session.channel)
        except RuntimeFault:
            session.flow.close()
            await Close(session.channel)
            return
    await requests_of(session)


@coroutine
def requests_of(session: Session) -> Generator[Request[Any], Any, None]:
    """Pass the requests of the flow on, each after what the rules demand."""
    machine = session.machine
    try:
        request = session.flow.send(None)
        while True:
            machine.collect()
            if session.hold and machine.has_output:
                yield from hold_back(session)
            if machine.closing:
                session.flow.close()
                yield Close(session.channel)
                return
            # What came while the output was held back is no news to the runtime.
            if isinstance(request, Wait) and machine.has_input:
                request = Sleep(0)
            try:
                answer = yield request
            except Exception as fault:
                request = session.flow.throw(fault)
            else:
                request = session.flow.send(answer)
    except StopIteration:
        return


def hold_back(session: Session) -> Generator[Request[Any], Any, None]:
    """Wait with the output, and listen meanwhile."""
    machine = session.machine
    machine.held = True
    end = time.monotonic() + session.hold
    while (left := end - time.monotonic()) > 0 and not session.connection.closed_by_client:
        try:
            yield Wait([session.channel], left)
        except TimedOut:
            break
    machine.held = False
