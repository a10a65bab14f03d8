"""Our own server roles on loopback ports, for the clients of others."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Close, Now, Request, Sleep, TimedOut, TlsFailed, Wait

from .certificates import Certificate

Session = Coroutine[Request[Any], Any, None]
Secure = Callable[[], Awaitable[None]]
Serve = Callable[[Channel[Any], Secure], Session]
"""Makes the flow that serves one connection; with Secure it may offer TLS."""

PATIENCE = 30.0
"""Seconds after which a client that says nothing is given up, whatever the flow would bear."""


def nonce() -> bytes:
    """Return something printable that was never there before."""
    return b"<%b@localhost>" % secrets.token_hex(12).encode("ascii")


class Connection:
    """One client, and the flow that serves it: the simplest runtime there is."""

    def __init__(self, stream: socket.socket, machine: Endpoint, tls: ssl.SSLContext) -> None:
        self._stream = stream
        self._stream.settimeout(PATIENCE)
        self._tls = tls
        self.channel = Channel("client", machine)

    def serve(self, flow: Session) -> None:
        """Carry octets until the flow is over."""
        try:
            self._carry(flow)
        except OSError:
            # The client is gone; what it had of the server's words is its own business.
            flow.close()
        finally:
            self._stream.close()

    def _carry(self, flow: Session) -> None:
        news: Any = None
        fault: TimedOut | None = None
        while True:
            try:
                request = flow.throw(fault) if fault else flow.send(news)
            except StopIteration:
                self._flush()
                return
            news, fault = None, None
            congested = self.channel.congested
            self._flush()
            match request:
                case Wait() if congested:
                    # There is room to write again: that is news.
                    pass
                case Wait(_, timeout):
                    fault = self._wait(timeout)
                case Sleep(seconds):
                    time.sleep(min(seconds, PATIENCE))
                case Now():
                    news = time.monotonic()
                case Close():
                    self._close()
                case _:
                    raise AssertionError(f"{request!r} is nothing that a server asks for")

    def _wait(self, timeout: float) -> TimedOut | None:
        self._stream.settimeout(min(timeout, PATIENCE))
        try:
            data = self._stream.recv(65536)
        except TimeoutError:
            return TimedOut(timeout)
        if data:
            self.channel.machine.receive_data(data)
        else:
            self.channel.machine.receive_eof()
        return None

    def _flush(self) -> None:
        self._stream.settimeout(PATIENCE)
        for piece in self.channel.machine.data_to_send():
            self._stream.sendall(piece)

    def _close(self) -> None:
        try:
            self._stream.shutdown(socket.SHUT_WR)
        except OSError:
            return

    async def secure(self) -> None:
        """Shake hands over TLS."""
        self._flush()
        try:
            self._stream = self._tls.wrap_socket(self._stream, server_side=True)
        except OSError as error:
            raise TlsFailed(str(error)) from None
        self.channel.tls = True


@contextmanager
def listening(
    make: Callable[[], Endpoint],
    serve: Serve,
    certificate: Certificate,
    *,
    implicit_tls: bool = False,
) -> Iterator[int]:
    """Serve every connection to a free loopback port, in a thread each; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    threads: list[threading.Thread] = []

    def session(stream: socket.socket) -> None:
        try:
            stream = context.wrap_socket(stream, server_side=True) if implicit_tls else stream
        except OSError:
            return
        connection = Connection(stream, make(), context)
        connection.channel.tls = implicit_tls
        connection.serve(serve(connection.channel, connection.secure))

    def accept() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=session, args=(stream,), daemon=True)
            threads.append(thread)
            thread.start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Closing alone does not wake up a thread that waits in accept.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
            for thread in threads:
                thread.join(5)
