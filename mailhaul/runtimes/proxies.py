"""Ask a proxy for a tunnel on a connected socket, before the channel gets it.

Nothing is read beyond the proxy's answer: what follows is from the server, and may have to go
through TLS.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .. import __version__
from ..flows.host_names import BadHostName, ascii_host
from ..flows.requests import NameNotFound, OpenFailed, Tcp, TimedOut
from ..protocols.errors import ProtocolError
from ..protocols.machine import NeedData
from ..protocols.proxy.address import SOCKS5, Proxy
from ..protocols.proxy.tunnel import NotConnected, Target, TunnelClient
from .dialling import dial
from .steps import Steps, Suspend
from .stream import Socket


def dial_through(
    proxy: Proxy, address: Tcp, deadline: float, clock: Callable[[], float]
) -> Steps[socket.socket]:
    """Return a socket that is connected to an address through a proxy.

    Raises OpenFailed, NameNotFound, TimedOut.
    """
    try:
        sock, _ = yield from dial(address.first_hop, deadline, clock)
    except (NameNotFound, OpenFailed) as fault:
        raise type(fault)(f"{proxy.name}: {fault}") from None
    try:
        yield from pass_proxy(sock, proxy, address, deadline, clock)
    except BaseException:
        sock.close()
        raise
    return sock


def pass_proxy(
    sock: Socket, proxy: Proxy, address: Tcp, deadline: float, clock: Callable[[], float]
) -> Steps[None]:
    """Let a proxy connect to an address. Raises OpenFailed, NameNotFound, TimedOut.

    The socket belongs to the caller, who closes it after an exception.
    """
    wait = Patience(sock, deadline, clock)
    try:
        machine = machine_for(proxy, target_of(address))
        while True:
            event = machine.next_event()
            yield from wait.write(b"".join(machine.data_to_send()))
            if not isinstance(event, NeedData):
                break
            if data := (yield from wait.read(machine.wanted)):
                machine.receive_data(data)
            else:
                machine.receive_eof()
    except ProtocolError as fault:
        raise OpenFailed(f"{proxy.name}: {fault}") from None
    except OSError as error:
        raise OpenFailed(f"{proxy.name}: {error.strerror or error}") from None
    if isinstance(event, NotConnected):
        raise OpenFailed(f"{proxy.name}: {event.reason}")


def machine_for(proxy: Proxy, target: Target) -> TunnelClient[Any]:
    """Return the machine that asks a proxy. Raises LocalProtocolError."""
    if proxy.kind == SOCKS5:
        from ..protocols.proxy.socks import Socks5Client

        return Socks5Client(proxy, target)
    from ..protocols.proxy.http_connect import HttpTunnelClient

    return HttpTunnelClient(proxy, target, agent=f"mailhaul/{__version__}")


def target_of(address: Tcp) -> Target:
    """Return what a proxy is asked for. A name is not looked up here, only converted to ASCII.

    Raises OpenFailed for an unknown service, NameNotFound for anything that is not a host name.
    """
    port = address.port
    if isinstance(port, str):
        try:
            port = socket.getservbyname(port, "tcp")
        except (OSError, ValueError):
            raise OpenFailed(f'unknown service "{port}"; give a port number') from None
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            return Target(address.host, port, socket.inet_pton(family, address.host))
    try:
        return Target(ascii_host(address.host), port)
    except BadHostName as fault:
        raise NameNotFound(f"{address.host!r} is no host name: {fault}") from None


class Patience:
    """Reads and writes on a socket that does not block, until the deadline."""

    def __init__(self, sock: Socket, deadline: float, clock: Callable[[], float]) -> None:
        self._sock = sock
        self._deadline = deadline
        self._clock = clock
        self._began = clock()

    def read(self, most: int) -> Steps[bytes]:
        """Return at most so many bytes, b"" at the end. Raises TimedOut and OSError."""
        while True:
            try:
                return self._sock.recv(most)
            except (BlockingIOError, InterruptedError):
                yield Suspend((self._sock.fileno(),), (), self._left())

    def write(self, data: bytes) -> Steps[None]:
        """Write all of this. Raises TimedOut and OSError."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.sendmsg([rest]) :]
            except (BlockingIOError, InterruptedError):
                yield Suspend((), (self._sock.fileno(),), self._left())

    def _left(self) -> float:
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimedOut(self._deadline - self._began)
        return left
